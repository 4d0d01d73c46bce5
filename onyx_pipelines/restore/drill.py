"""A restore drill: one set, from the off-site copy by preference, restored, compared, thrown away.

No Dagster here: assets and the command line call the same functions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from onyx_pipelines.core.errors import IntegrityError, KeyFileError, NotFoundError, OnyxError
from onyx_pipelines.core.logs import log_fields, logger
from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.host.scratch import scratch_root
from onyx_pipelines.restore import components
from onyx_pipelines.restore.engine import Work
from onyx_pipelines.restore.finding_sets import FoundSet, find_set
from onyx_pipelines.restore.findings import ARCHIVE
from onyx_pipelines.restore.results import (
    ComponentResult,
    DrillResult,
    Finding,
    StepClock,
    StepTiming,
)
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.host_keys import required_private_key
from onyx_pipelines.vault.lock import set_in_use
from onyx_pipelines.vault.manifest import Manifest
from onyx_pipelines.vault.reading import open_set
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines.vault.trust import Trust

_log = logger("restore")


def choose_set(settings: Settings, backup_id: str, store_name: str | None) -> FoundSet:
    """Off-site if it is whole there: that is the copy that is left when this host is lost. Raises
    as `find_set`."""
    return find_set(settings, backup_id, store_name, copies_first=True)


def drill_component(
    settings: Settings,
    drillable: FoundSet,
    component: Component,
    clock: StepClock,
    progress: ProgressCallback,
) -> ComponentResult:
    """Drill one component. What keeps it from being verified is a finding, not an exception.

    Raises:
        KeyFileError: this host has no key, or one that cannot be read.
    """
    key, signers = required_private_key(settings), Trust.of(settings).signers
    workdir = scratch_root(settings.scratch_dir)
    begun = len(clock.timings())
    with (
        set_in_use(settings.state_dir, drillable.backup_id),
        log_fields(backup_id=drillable.backup_id, component=component.value),
    ):
        try:
            objects = open_set(drillable.store, drillable.backup_id, key, signers)
            work = Work(component, objects, clock, workdir, settings, progress)
            result = components.drill(work)
            lacking = _lacking(objects.manifest, component)
            result = result.model_copy(update={"findings": (*result.findings, *lacking)})
        except (IntegrityError, NotFoundError, KeyFileError) as error:
            # Also a set that is not sealed to this host's key: it does not come back here.
            result = _stopped(component, error, Verdict.FAILED, clock.timings()[begun:])
        except OnyxError as error:
            result = _stopped(component, error, Verdict.COULD_NOT_VERIFY, clock.timings()[begun:])
    _log.info(
        "component drilled",
        extra={
            "backup_id": drillable.backup_id,
            "store": drillable.store.name,
            "component": component.value,
            "verdict": result.verdict.value,
            "recovery_s": result.recovery_s,
        },
    )
    return result


def assemble(
    settings: Settings,
    drillable: FoundSet,
    drill_id: str,
    started_at: datetime,
    components: Sequence[ComponentResult],
) -> DrillResult:
    """The whole drill's result; notes on the set whether it passed."""
    now = datetime.now(UTC)
    result = DrillResult(
        drill_id=drill_id,
        backup_id=drillable.backup_id,
        store=drillable.store.name,
        recovery_point=drillable.view.timestamp,
        started_at=started_at,
        finished_at=now,
        objective_s=settings.recovery_time_objective_minutes * 60,
        components=tuple(components),
        passed_over=drillable.passed_over,
    )
    # A set of which a part was drilled is not known to come back.
    if {each.component for each in components} == {*components_of(drillable)}:
        Catalog([drillable.store], Trust.of(settings)).record_drill(
            drillable.backup_id,
            drillable.store.name,
            passed=result.verdict is Verdict.PASSED,
            at=now,
        )
    return result


def components_of(drillable: FoundSet) -> tuple[Component, ...]:
    """What the set has, in the order of restoring."""
    present = {record.component for record in drillable.view.manifest.components.values()}
    return tuple(component for component in Component if component in present)


def run_drill(
    settings: Settings,
    *,
    backup_id: str,
    store_name: str | None,
    components: Collection[Component] | None,
    drill_id: str,
    progress: ProgressCallback,
) -> DrillResult:
    """Drill a set, component after component, on one clock.

    Raises:
        NotFoundError: there is no such set.
        IntegrityError: there is one, and it is half copied, damaged or of a newer version.
        KeyFileError: this host has no key, or one that cannot be read.
        StoreError: the store cannot be read.
    """
    started_at = datetime.now(UTC)
    drillable = choose_set(settings, backup_id, store_name)
    wanted = [c for c in components_of(drillable) if components is None or c in components]
    clock = StepClock()
    results = [drill_component(settings, drillable, each, clock, progress) for each in wanted]
    return assemble(settings, drillable, drill_id, started_at, results)


def _stopped(
    component: Component, error: OnyxError, verdict: Verdict, steps: Sequence[StepTiming]
) -> ComponentResult:
    aspect = ARCHIVE if verdict is Verdict.FAILED else "drill"
    finding = Finding(verdict=verdict, item=component.value, aspect=aspect, message=error.what)
    return ComponentResult(
        component=component, findings=(finding,), steps=tuple(steps), plain_bytes=0
    )


def _lacking(manifest: Manifest, component: Component) -> tuple[Finding, ...]:
    """What a partial set does not hold comes back from no drill of it."""
    return tuple(
        Finding.unverified(name, "backup", f"the set does not have it: {why}")
        for record in manifest.components.values()
        if record.component is component
        for name, why in record.missing.items()
    )


def last_passed(settings: Settings) -> datetime | None:
    """When a drill of a whole set last passed, in any store."""
    views = Catalog(open_stores(settings), Trust.of(settings)).sets()
    times = [view.last_drill_passed_at for view in views]
    return max((each for each in times if each is not None), default=None)
