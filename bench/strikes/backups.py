"""Sets, copies, drills and scheduled runs that are not as they should be."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from bench.strikes.strike import Strike
from onyx_pipelines.core.names import Job
from onyx_pipelines.notify.event import Event, Outcome
from onyx_pipelines.notify.last_runs import LastRuns
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox
from onyx_pipelines_tests.vault.sets import new_id, signing_key


def stranger(watched: WatchedSandbox, after: ExitStack) -> None:
    """A set that somebody else has signed."""
    name = new_id()
    watched.put_set(name, signing_key("a stranger"))
    after.callback(watched.host.first.delete, manifest_key(name))


def damage(share: float) -> Strike:
    """The newest set lacks so much of its objects, and at least one."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        paths = sorted((watched.host.settings.backup_dir / "sets").rglob("*.sealed"))
        for path in paths[: max(1, round(share * len(paths)))]:
            kept = path.with_suffix(".kept")
            path.rename(kept)
            after.callback(kept.rename, path)

    return strike


def age_set(age: timedelta) -> Strike:
    """There is no newer one."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        watched.date_set(datetime.now(UTC) - age)
        after.callback(lambda: watched.date_set(datetime.now(UTC)))

    return strike


def behind(watched: WatchedSandbox, after: ExitStack) -> None:
    """A newer set is only in the first store."""
    copy = watched.host.copies[0]
    key = manifest_key(watched.backup_id)
    text = copy.get(key)
    copy.delete(key)
    after.callback(copy.put, key, text)


def age_drill(age: timedelta) -> Strike:
    """The last that passed."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        watched.note_drill(datetime.now(UTC) - age)
        after.callback(lambda: watched.note_drill(datetime.now(UTC)))

    return strike


def fail_drill(watched: WatchedSandbox, after: ExitStack) -> None:
    """What came back was not what was there."""
    catalog = Catalog(watched.host.stores, watched.host.trust)
    catalog.record_drill(watched.backup_id, "local", passed=False, at=datetime.now(UTC))
    after.callback(lambda: watched.note_drill(datetime.now(UTC)))


def age_run(age: timedelta) -> Strike:
    """The nightly backup does not come any more."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        _forget_runs(watched)
        watched.note_run(datetime.now(UTC) - age)
        after.callback(_forget_runs, watched)

    return strike


def fail_runs(*jobs: str) -> Strike:
    """The last run of each; none: of the nightly backup."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        _forget_runs(watched)
        for job in jobs or (Job.BACKUP,):
            event = Event(Outcome.FAILED, "failed", "run", job, "failed")
            LastRuns(watched.host.settings.state_dir).note(event)
        after.callback(_forget_runs, watched)

    return strike


def _forget_runs(watched: WatchedSandbox) -> None:
    for each in (watched.host.settings.state_dir / "last-runs").glob("*.json"):
        each.unlink()
