"""What this host has recorded of changes: the audit trail, how each job last ended, who holds the
lock, the newest load test, the releases that events named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from onyx_pipelines.audit import AuditError, Origin, Outcome, Phase, Trail, audited
from onyx_pipelines.audit.records import AuditRecord
from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import ReportSettings, Settings
from onyx_pipelines.errors.relay.memory import SeenRelease
from onyx_pipelines.errors.what_changed import LOOK_BACK, Change, ChangeKind
from onyx_pipelines.notify.last_runs import LastRun, LastRuns
from onyx_pipelines.vault.lock import current_holder

NOTED: Final = "changed"
# A deploy of last week is still the last deploy.
_RELEASES_BACK: Final = timedelta(days=90)
_SAME: Final = timedelta(minutes=2)
_KINDS: Final = {
    Job.BACKUP: ChangeKind.BACKUP,
    Job.DRILL: ChangeKind.DRILL,
    Job.LOAD_TEST: ChangeKind.LOAD_TEST,
    Job.RESTORE: ChangeKind.RESTORE,
    Job.PRUNE: ChangeKind.BACKUP,
    Job.VERIFY: ChangeKind.BACKUP,
    Job.COPY: ChangeKind.BACKUP,
}
# Of words that purposes and actions begin with: "backup.run", "restore drill", "api restores".
_BY_WORD: Final = (
    ("drill", ChangeKind.DRILL),
    ("restore", ChangeKind.RESTORE),
    ("load", ChangeKind.LOAD_TEST),
    ("backup", ChangeKind.BACKUP),
)


@contextmanager
def noting(
    settings: Settings,
    origin: Origin,
    kind: ChangeKind,
    what: str = "",
    *,
    service: str = "",
    release: str = "",
) -> Iterator[None]:
    """Write into the audit trail that something changed, for the messages of errors that follow.

    Raises:
        AuditError: it is not written.
    """
    given = {"kind": kind.value, "what": what, "service": service, "release": release}
    with audited(
        settings,
        action=f"{NOTED}.{kind.value}",
        origin=origin,
        parameters={name: value for name, value in given.items() if value},
        required=True,
    ) as entry:
        yield
        entry.result(verdict="noted")


def recorded_changes(
    settings: Settings, releases: Sequence[SeenRelease], now: datetime
) -> tuple[list[Change], list[str]]:
    """What is recorded, and a sentence on each source that cannot be read."""
    unknown = []
    try:
        trail = list(Trail.of(settings).records())
    except AuditError:
        trail = []
        unknown.append("Not known: what was done by hand; the audit trail cannot be read.")
    noted = [*_of_trail(trail, now), *_holding(settings)]
    noted += _not_said_yet(noted, _of_runs(settings))
    noted += _not_said_yet(noted, _of_load_test(settings))
    deployed = [each.said for each in noted if each.kind is ChangeKind.RELEASE]
    noted += _of_releases(
        each
        for each in releases
        if not any(said.startswith(f"release {each.release} ") for said in deployed)
    )
    return noted, unknown


def _of_trail(trail: Sequence[AuditRecord], now: datetime) -> Iterator[Change]:
    ended = {each.operation for each in trail if each.phase is Phase.END}
    began = {each.operation: each for each in trail if each.phase is Phase.BEGIN}
    for each in trail:
        if each.action.startswith(f"{NOTED}."):
            if each.phase is Phase.BEGIN and now - each.time <= _RELEASES_BACK:
                yield _noted(each)
        elif now - each.time > LOOK_BACK:
            continue
        elif each.phase is Phase.END:
            yield _ended(each, began.get(each.operation))
        elif each.operation not in ended:
            name = _named(each)
            yield Change(_kind(name), each.time, f"{name}, by {each.origin.actor}; no end is noted")


def _noted(entry: AuditRecord) -> Change:
    said = {name: str(value) for name, value in entry.parameters.items()}
    kind = _noted_kind(said.get("kind", ""))
    service, by = said.get("service", ""), f"noted by {entry.origin.actor}"
    if kind is ChangeKind.RELEASE:
        text = f"{_release_text(said.get('release', ''), service)} was deployed"
    else:
        text = f"{kind}: {said.get('what', '')} ({by})"
    return Change(kind, entry.time, text, service)


def _noted_kind(text: str) -> ChangeKind:
    try:
        return ChangeKind(text)
    except ValueError:
        return ChangeKind.OTHER


def _ended(entry: AuditRecord, began: AuditRecord | None) -> Change:
    name, result = _named(began or entry), entry.result
    how = f"{result.verdict or result.outcome}" if result else "ended"
    why = f" ({result.detail})" if result and result.detail else ""
    return Change(
        _kind(name),
        entry.time,
        f"{name}, by {entry.origin.actor}: {how}{why}",
        went_wrong=bool(result and result.outcome is Outcome.FAILED),
    )


def _named(entry: AuditRecord) -> str:
    """Of a run of Dagster's its job says what it is."""
    job = entry.parameters.get("job")
    return str(job) if job else entry.action


def _kind(name: str) -> ChangeKind:
    if name in _KINDS:
        return _KINDS[name]
    if name.startswith(("keys", "api token")):
        return ChangeKind.CONFIGURATION
    return next((kind for word, kind in _BY_WORD if word in name), ChangeKind.OTHER)


def _holding(settings: Settings) -> Iterator[Change]:
    """What reads the sources, or loads them, at this moment."""
    holder = current_holder(settings.state_dir)
    if holder:
        kind = _kind(holder.purpose)
        yield Change(
            kind, holder.since, f"{holder.purpose} (process {holder.pid})", is_running=True
        )


def _of_runs(settings: Settings) -> Iterator[Change]:
    """By schedule or by hand."""
    runs = LastRuns(settings.state_dir)
    for job, kind in _KINDS.items():
        last = runs.of(job)
        if last:
            yield Change(kind, last.at, _run_text(job, last), went_wrong=last.failed)


def _run_text(job: str, last: LastRun) -> str:
    return f"{job} {last.outcome}"


def _of_load_test(settings: ReportSettings) -> Iterator[Change]:
    """Its verdict, which its run's end does not say. Its record is another capability's: two fields
    of it are read."""
    path = settings.reports_dir / "load-test" / "latest" / "result.json"
    try:
        result: Mapping[str, object] = json.loads(path.read_bytes())
        at = datetime.fromisoformat(str(result["finished_at"]))
        verdict = str(result["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if at.tzinfo:
        yield Change(
            ChangeKind.LOAD_TEST, at, f"load test ended: {verdict}", went_wrong=verdict == "failed"
        )


def _of_releases(releases: Iterable[SeenRelease]) -> Iterator[Change]:
    for each in releases:
        # The first that was ever seen may have been there for long.
        if each.before:
            named = _release_text(each.release, each.service)
            said = f"{named} was first seen (before: {each.before})"
            yield Change(ChangeKind.RELEASE, each.at, said, each.service)


def _release_text(release: str, service: str) -> str:
    return f"release {release}{f' of {service}' if service else ''}"


def _not_said_yet(known: Sequence[Change], more: Iterable[Change]) -> list[Change]:
    """The same thing from two records is one change."""
    return [
        each
        for each in more
        if not any(
            other.kind is each.kind and not other.is_running and abs(other.at - each.at) <= _SAME
            for other in known
        )
    ]
