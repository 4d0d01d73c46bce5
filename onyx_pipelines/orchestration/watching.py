"""Which runs began, ended or were deleted since the last look. Each is told once, and one that
could not be told is looked at again.

Dagster's own run status sensors skip a run for ever whose telling raised, and never hear of one
that was deleted; so the runs are read from its storage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from onyx_pipelines.orchestration.stacks import stack_of

# The storage's times are those of several processes: look back a little.
_OVERLAP: Final = timedelta(minutes=2)
_FIRST_LOOK_BACK: Final = timedelta(minutes=10)
_AT_A_TIME: Final = 100


@dataclass(frozen=True)
class OpenRun:
    """A run whose end was not told yet."""

    job: str
    start_is_told: bool = False
    stack: str = ""


@dataclass(frozen=True)
class Watch:
    """What is remembered between two looks. `told`: runs that ended lately and were told."""

    since: datetime
    open: Mapping[str, OpenRun] = field(default_factory=dict)
    told: frozenset[str] = frozenset()

    def as_text(self) -> str:
        return json.dumps(
            {
                "since": self.since.isoformat(),
                "open": {run_id: asdict(each) for run_id, each in self.open.items()},
                "told": sorted(self.told),
            }
        )


def watch_from_text(text: str | None, now: datetime) -> Watch:
    """The inverse of `Watch.as_text`; what is none begins a few minutes ago, and one of a clock
    that went back now: else nobody would be told of anything for so long."""
    try:
        data = json.loads(text or "")
        return Watch(
            min(datetime.fromisoformat(data["since"]), now),
            {run_id: OpenRun(**each) for run_id, each in data["open"].items()},
            frozenset(data["told"]),
        )
    except (ValueError, KeyError, TypeError):
        return Watch(now - _FIRST_LOOK_BACK)


@dataclass(frozen=True)
class Seen:
    """A run that changed. `run` is None if it was deleted before its end was told; `stack` is ""
    where there is only one."""

    run_id: str
    job: str
    run: dg.DagsterRun | None
    has_begun: bool
    start_is_told: bool
    stack: str = ""

    @property
    def is_over(self) -> bool:
        return self.run is None or self.run.is_finished


def runs_of(
    context: dg.SensorEvaluationContext, stacks: Sequence[str]
) -> Callable[[dg.DagsterRun], bool]:
    """Whether a run is ours: those of other code locations are not, nor are those of stacks that
    are gone; one without any was launched from Python."""
    ours = context.code_location_origin

    def is_ours(run: dg.DagsterRun) -> bool:
        origin = run.remote_job_origin
        is_here = ours is None or origin is None or origin.location_name == ours.location_name
        return is_here and stack_of(run) in ("", *stacks)

    return is_ours


def look(
    instance: dg.DagsterInstance,
    watch: Watch,
    is_ours: Callable[[dg.DagsterRun], bool] = lambda _: True,
) -> list[Seen]:
    """The open runs, and those that changed, in the order of their last change."""
    since = watch.since - _OVERLAP
    filters = [dg.RunsFilter(updated_after=since)]
    if watch.open:
        filters.append(dg.RunsFilter(run_ids=list(watch.open)))
    records = {
        each.dagster_run.run_id: each
        for wanted in filters
        for each in instance.get_run_records(wanted)
        if is_ours(each.dagster_run)
    }
    found = sorted(records.values(), key=lambda each: each.update_timestamp)
    deleted = [
        Seen(run_id, each.job, None, each.start_is_told, each.start_is_told, each.stack)
        for run_id, each in watch.open.items()
        if run_id not in records
    ]
    return deleted + [
        _seen(each, watch) for each in found if _is_news(each, watch, since.timestamp())
    ]


def tell_once(
    watch: Watch, seen: Sequence[Seen], tell: Callable[[Seen], object], now: datetime
) -> tuple[Watch, list[Exception]]:
    """Tell what is new of each; the watch afterwards, and what kept some from being told.

    Args:
        tell: told of a run that began and of one that is over; raises if it could not.
    """
    opened: dict[str, OpenRun] = {}
    told = {each.run_id for each in seen if each.run_id in watch.told}
    errors: list[Exception] = []
    for number, each in enumerate(seen):
        if each.run_id in told:
            continue
        opened[each.run_id] = OpenRun(each.job, each.start_is_told, each.stack)
        if number >= _AT_A_TIME or not (each.is_over or _start_is_news(each)):
            continue
        try:
            tell(each)
        except Exception as error:  # noqa: BLE001  (one run must not keep the others from being told)
            errors.append(error)
            continue
        if each.is_over:
            del opened[each.run_id]
            told.add(each.run_id)
        else:
            opened[each.run_id] = replace(opened[each.run_id], start_is_told=True)
    return Watch(now, opened, frozenset(told)), errors


def _start_is_news(seen: Seen) -> bool:
    return seen.has_begun and not seen.start_is_told


def _seen(record: dg.RunRecord, watch: Watch) -> Seen:
    run = record.dagster_run
    known = watch.open.get(run.run_id)
    return Seen(
        run.run_id,
        run.job_name,
        run,
        has_begun=record.start_time is not None,
        start_is_told=known is not None and known.start_is_told,
        stack=stack_of(run),
    )


def _is_news(record: dg.RunRecord, watch: Watch, since: float) -> bool:
    """A run that ended long ago also changes, where somebody adds a tag to it."""
    run = record.dagster_run
    if run.run_id in watch.open or not run.is_finished:
        return True
    ended_at = record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp()
    return ended_at > since
