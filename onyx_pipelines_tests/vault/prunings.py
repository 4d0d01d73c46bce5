"""Pruning as tests run it: two days are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.pruning import PruneReport, prune
from onyx_pipelines.vault.retention import RetentionPolicy
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines_tests.vault.planted_sets import NOW, Planter
from onyx_pipelines_tests.vault.sets import trust

TWO_DAYS = RetentionPolicy(daily=2, weekly=0, monthly=0)
LATER = datetime.now(UTC) + timedelta(days=3)  # what was written now is older than the grace


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda fd: None)


def run(*stores: Store, state: Path, now: datetime = NOW, dry_run: bool = False) -> PruneReport:
    return prune(Catalog(stores, trust()), TWO_DAYS, now=now, dry_run=dry_run, state_dir=state)


def plant_days(planter: Planter, days: int, *stores: Store) -> list[str]:
    """Ids, newest first."""
    return [planter.plant(*stores, days_ago=day) for day in range(days)]


def ids(store: Store) -> set[str]:
    return {view.backup_id for view in Catalog([store], trust()).sets()}


def everything(store: LocalStore) -> set[str]:
    return {str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()}


def reasons_in(report: PruneReport, store: str, backup_id: str) -> str:
    return next(
        "; ".join(decision.reasons)
        for decision in report.plans[store].decisions
        if decision.backup_id == backup_id
    )
