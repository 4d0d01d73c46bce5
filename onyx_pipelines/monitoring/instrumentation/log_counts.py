"""What a service's log adds up to, each line counted once, also over restarts and kills.

Counts and place are one file that is replaced in one step, and only what is in it is shown: after a
kill the figures go on where they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.monitoring.instrumentation.bounded import OTHER
from onyx_pipelines.monitoring.instrumentation.log_events import Outcome, Series, parse_line
from onyx_pipelines.monitoring.instrumentation.log_following import Batch, Place, batches
from onyx_pipelines.monitoring.metrics import (
    LOG_GAPS,
    LOG_LINES,
    MODEL_CALLS,
    MODEL_COST,
    MODEL_TOKENS,
    RETRIEVALS,
    TASKS,
)

_FAMILIES: Final = {
    each.name: each
    for each in (MODEL_CALLS, MODEL_TOKENS, MODEL_COST, RETRIEVALS, TASKS, LOG_LINES, LOG_GAPS)
}
# Where callers choose a name (a model's, a task's), these are told apart.
_SERIES_OF_A_FAMILY: Final = 120


class LogStateError(OnyxError):
    """What was counted so far cannot be read.

    Cause: the file was damaged, or written by another version.
    Remedy: remove it; what is still in the log is then counted from its beginning.
    """

    code = "log-state"


class _Count(BaseModel):
    model_config = ConfigDict(frozen=True)

    family: str
    labels: tuple[str, ...]
    value: float


class _State(BaseModel):
    model_config = ConfigDict(frozen=True)

    place: Place | None = None
    counts: tuple[_Count, ...] = Field(default=())


class LogCounts:
    """A collector for prometheus_client's registry.

    Args:
        log: as the service writes it.
        state: a file of its own, of this log only.

    Raises:
        LogStateError: the state cannot be understood.
    """

    def __init__(self, log: Path, state: Path) -> None:
        self._log = log
        self._file = RecordFile(state, _State)
        try:
            found = self._file.read() or _State()
        except ValidationError:
            raise LogStateError(
                f"{state} does not say what was counted of {log}.",
                remedy="Remove it: what is still in the log is counted from its beginning.",
            ) from None
        self._place = found.place
        self._counts: Mapping[Series, float] = {
            **{
                (each.name, tuple(one.values())): 0
                for each in _FAMILIES.values()
                for one in each.known()
            },
            **{(each.family, each.labels): each.value for each in found.counts},
        }

    def read_on(self) -> None:
        """Count what was added since. Raises OSError: log or state, and nothing was counted."""
        for batch in batches(self._log, self._place):
            counts = _added(self._counts, batch)
            self._file.write(
                _State(
                    place=batch.place,
                    counts=tuple(
                        _Count(family=family, labels=labels, value=value)
                        for (family, labels), value in counts.items()
                    ),
                )
            )
            self._place, self._counts = batch.place, counts

    def describe(self) -> list[Metric]:
        """Nothing is computed before it is asked for (prometheus_client's convention)."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client calls."""
        counts = self._counts
        for family in _FAMILIES.values():
            name = family.name.removesuffix("_total")
            metric = CounterMetricFamily(name, family.text, labels=list(family.labels))
            for (of, labels), value in counts.items():
                if of == family.name:
                    metric.add_metric(labels, value)
            yield metric


def _added(before: Mapping[Series, float], batch: Batch) -> dict[Series, float]:
    counts = dict(before)
    told_apart = {name: sum(of == name for of, _ in counts) for name in _FAMILIES}
    for line in batch.lines:
        outcome, increments = parse_line(line)
        for series, amount in (*increments, ((LOG_LINES.name, (outcome.value,)), 1.0)):
            known = _bounded(series, counts, told_apart)
            counts[known] = counts.get(known, 0) + amount
    counts[LOG_LINES.name, (Outcome.MALFORMED.value,)] += batch.overlong
    counts[LOG_GAPS.name, ()] = counts.get((LOG_GAPS.name, ()), 0) + batch.gap
    return counts


def _bounded(series: Series, counts: Mapping[Series, float], told_apart: dict[str, int]) -> Series:
    """The series, or the one of all others."""
    name, labels = series
    if series in counts:
        return series
    if told_apart[name] >= _SERIES_OF_A_FAMILY:
        return name, (OTHER, *labels[1:])
    told_apart[name] += 1
    return series
