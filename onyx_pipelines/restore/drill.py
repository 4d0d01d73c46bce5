"""A restore drill: one set, from the off-site copy by preference, restored, compared, thrown away.

No Dagster here: assets and the command line call the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from onyx_pipelines.errors import IntegrityError, KeyFileError, NotFoundError, OnyxError
from onyx_pipelines.host.scratch import scratch_root
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.objects import SetObjects, open_set
from onyx_pipelines.restore.passed_over import passed_over
from onyx_pipelines.restore.results import ComponentDrill, DrillResult, Finding
from onyx_pipelines.restore.unreadable_sets import refuse_unreadable
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.source import Component
from onyx_pipelines.telemetry import log_fields, logger
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.host_keys import required_private_key
from onyx_pipelines.vault.lock import set_in_use
from onyx_pipelines.vault.manifest import Manifest
from onyx_pipelines.vault.stores import open_stores, store_named
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust

_log = logger("restore")

ComponentDriller: TypeAlias = Callable[
    [SetObjects, StepClock, Path, Settings, ProgressCallback], ComponentDrill
]


def driller(component: Component) -> ComponentDriller:
    """Only the one that is asked for is loaded."""
    match component:
        case Component.POSTGRESQL:
            from onyx_pipelines.restore import postgres

            return postgres.drill
        case Component.QDRANT:
            from onyx_pipelines.restore import qdrant

            return qdrant.drill
        case Component.VOLUMES:
            from onyx_pipelines.restore import volumes

            return volumes.drill


@dataclass(frozen=True)
class Drillable:
    """A set and the store that it is taken from. `passed_over`: newer ones that "latest" could not
    be, in sentences."""

    store: Store
    backup_id: str
    passed_over: tuple[str, ...] = ()


def choose_set(settings: Settings, backup_id: str, store_name: str | None) -> Drillable:
    """The set (an id, its beginning, or "latest") in a store; None: off-site if it is whole there.

    Raises:
        NotFoundError: there is no such set.
        SettingsError: there is no such store.
        IntegrityError: there is one, and it is half copied, damaged or of a newer version.
    """
    trust = Trust.of(settings)
    stores: Sequence[Store] = open_stores(settings)[::-1]
    if store_name is not None:
        stores = [store_named(stores, store_name)]
    catalog = Catalog(stores, trust)
    try:
        view = catalog.find(backup_id)
    except NotFoundError:
        refuse_unreadable(stores, trust, backup_id)
        raise
    # One that is nowhere whole is drilled all the same: it fails, and what it lacks is named.
    having = view.stores or view.incomplete_in
    name = "offsite" if "offsite" in having else having[0]
    newer: tuple[str, ...] = ()
    if backup_id == "latest":
        newer = passed_over(view, [catalog.last_scan], datetime.now(UTC))
    return Drillable(store_named(stores, name), view.backup_id, newer)


def drill_component(
    settings: Settings,
    drillable: Drillable,
    component: Component,
    clock: StepClock,
    progress: ProgressCallback,
) -> ComponentDrill:
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
            result = driller(component)(objects, clock, workdir, settings, progress)
            lacking = _lacking(objects.manifest, component)
            result = result.model_copy(update={"findings": (*result.findings, *lacking)})
        except (IntegrityError, NotFoundError, KeyFileError) as error:
            # Also a set that is not sealed to this host's key: it does not come back here.
            result = _stopped(component, error, Verdict.FAILED, clock, begun)
        except OnyxError as error:
            result = _stopped(component, error, Verdict.COULD_NOT_VERIFY, clock, begun)
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


def put_together(
    settings: Settings,
    drillable: Drillable,
    drill_id: str,
    started_at: datetime,
    components: Sequence[ComponentDrill],
) -> DrillResult:
    """The whole drill's result; notes on the set whether it passed."""
    catalog = Catalog([drillable.store], Trust.of(settings))
    manifest_view = catalog.find(drillable.backup_id)
    now = datetime.now(UTC)
    result = DrillResult(
        drill_id=drill_id,
        backup_id=drillable.backup_id,
        store=drillable.store.name,
        recovery_point=manifest_view.timestamp,
        started_at=started_at,
        finished_at=now,
        objective_s=settings.recovery_time_objective_minutes * 60,
        components=tuple(components),
        passed_over=drillable.passed_over,
    )
    whole = {each.component for each in components} == {
        record.component for record in manifest_view.manifest.components.values()
    }
    # A set of which a part was drilled is not known to come back.
    if whole:
        catalog.record_drill(
            drillable.backup_id,
            drillable.store.name,
            passed=result.verdict is Verdict.PASSED,
            at=now,
        )
    return result


def components_of(settings: Settings, drillable: Drillable) -> tuple[Component, ...]:
    """What the set has, in the order of restoring."""
    view = Catalog([drillable.store], Trust.of(settings)).find(drillable.backup_id)
    present = {record.component for record in view.manifest.components.values()}
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
    wanted = [
        c for c in components_of(settings, drillable) if components is None or c in components
    ]
    clock = StepClock()
    results = [drill_component(settings, drillable, each, clock, progress) for each in wanted]
    return put_together(settings, drillable, drill_id, started_at, results)


def _stopped(
    component: Component, error: OnyxError, verdict: Verdict, clock: StepClock, begun: int
) -> ComponentDrill:
    return ComponentDrill(
        component=component,
        findings=(
            Finding(
                verdict=verdict,
                item=component.value,
                aspect="archive" if verdict is Verdict.FAILED else "drill",
                message=error.what,
            ),
        ),
        steps=clock.timings()[begun:],
        plain_bytes=0,
    )


def _lacking(manifest: Manifest, component: Component) -> tuple[Finding, ...]:
    """What a partial set does not hold comes back from no drill of it."""
    return tuple(
        Finding(
            verdict=Verdict.COULD_NOT_VERIFY,
            item=name,
            aspect="backup",
            message=f"the set does not have it: {why}",
        )
        for record in manifest.components.values()
        if record.component is component
        for name, why in record.missing.items()
    )


def last_passed(settings: Settings) -> datetime | None:
    """When a drill of a whole set last passed, in any store."""
    views = Catalog(open_stores(settings), Trust.of(settings)).sets()
    times = [view.last_drill_passed_at for view in views]
    return max((each for each in times if each is not None), default=None)
