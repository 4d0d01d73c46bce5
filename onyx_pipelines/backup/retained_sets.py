"""What this host's stores hold by its policy: listed, pruned, and what a person should look at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from onyx_pipelines.backup.host import BackupHost
from onyx_pipelines.backup.protection import count_versions
from onyx_pipelines.core.errors import StoreError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.text import count_text
from onyx_pipelines.vault.catalog import Catalog, CatalogRow, rows
from onyx_pipelines.vault.pruning import PruneReport, prune
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines.vault.scanning import DamagedSet, UntrustedSet
from onyx_pipelines.vault.set_view import SetView
from onyx_pipelines.vault.store_plans import store_plans

_NAMED = 10
_log = logger("backup")


def policy_of(host: BackupHost, store: str) -> RetentionPolicy:
    """What a store keeps.

    Raises:
        SettingsError: nothing, or there is no such time zone.
    """
    policy = RetentionPolicy.from_settings(host.settings)
    own = (place for place in host.settings.places if place.name == store)
    return next((policy.of_place(place) for place in own), policy)


def catalog_rows(host: BackupHost, catalog: Catalog) -> list[CatalogRow]:
    """Every whole set, newest first, with what retention keeps it as now."""
    return [row for row, _ in listed_sets(host, catalog)]


def listed_sets(host: BackupHost, catalog: Catalog) -> list[tuple[CatalogRow, SetView]]:
    """The same, each with what the stores show of it."""
    scan = catalog.scan()
    plans = store_plans(
        scan.views,
        RetentionPolicy.from_settings(host.settings),
        stores=[store.name for store in catalog.stores],
        now=datetime.now(UTC),
        own=_own_policies(host),
    )
    found = rows(scan.sets, plans)
    return list(zip(found, scan.sets, strict=True))


def apply_retention(
    host: BackupHost, *, now: datetime, dry_run: bool, made: str = ""
) -> PruneReport:
    """Prune by the policy and sweep what killed runs left; never the set that this run `made`.

    Raises:
        StoreError: a store cannot be listed; nothing was deleted.
    """
    report = prune(
        host.catalog,
        RetentionPolicy.from_settings(host.settings),
        own=_own_policies(host),
        now=now,
        dry_run=dry_run,
        state_dir=host.settings.state_dir,
        grace=timedelta(hours=host.settings.sweep_grace_hours),
        made=made,
    )
    _log.info(
        "retention",
        extra={
            "dry_run": dry_run,
            "kept": {store: len(plan.kept) for store, plan in report.plans.items()},
            "pruned": report.pruned,
            "freed_bytes": report.freed_bytes,
            "remaining_bytes": report.remaining_bytes,
            "waiting": [each.what for each in report.waiting],
        },
    )
    if not dry_run:
        _count_versions(host, report, now)
    return report


def _count_versions(host: BackupHost, report: PruneReport, now: datetime) -> None:
    for store in host.copies:
        waiting = sum(each.store == store.name for each in report.waiting)
        try:
            count_versions(store, host.settings, waiting_sets=waiting, now=now)
        except StoreError as error:
            _log.warning("versions were not counted", extra={"problem": str(error)})


def _own_policies(host: BackupHost) -> dict[str, RetentionPolicy]:
    return {store.name: policy_of(host, store.name) for store in host.stores}


def sentence_on_untrusted(untrusted: Sequence[UntrustedSet]) -> str:
    """What does not count, for a person to look at; empty where there is nothing."""
    return _sentence("does", "do", " not count, signed by nobody who does", untrusted)


def sentence_on_damaged(damaged: Sequence[DamagedSet]) -> str:
    """What is not as it was, for a person to look at; empty where there is nothing."""
    return _sentence("is", "are", " damaged", damaged)


def _sentence(
    of_one: str, of_several: str, what: str, found: Sequence[DamagedSet | UntrustedSet]
) -> str:
    if not found:
        return ""
    named = "; ".join(
        f"{each.backup_id} in the {each.store} store: {each.what}" for each in found[:_NAMED]
    )
    more = "; …" if len(found) > _NAMED else ""
    verb = of_one if len(found) == 1 else of_several
    return f"{count_text(len(found), 'set')} {verb}{what}: {named}{more}"


def prune_problems(report: PruneReport) -> list[str]:
    """All that a person should look at, one sentence each."""
    return [
        *upkeep_problems(report),
        *(f"{each.sentence} ({each.store} store)" for each in report.seen.damaged),
        *(f"{each.sentence} ({each.store} store)" for each in report.seen.untrusted),
    ]


def upkeep_problems(report: PruneReport) -> list[str]:
    """The same but for sets that are damaged or untrusted."""
    return [
        *(
            f"{f.what} was not deleted from the {f.store} store: {f.problem}"
            for f in report.failures
        ),
        *(f"{p.what} ({p.store} store)" for p in report.seen.oddities),
        *(f"{each} is dated in the future" for each in report.future_dated),
    ]
