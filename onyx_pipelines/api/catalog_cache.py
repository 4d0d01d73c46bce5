"""The catalog for reading endpoints: as old as a few seconds at most, and there while stores are
slow."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from onyx_pipelines.backup import retained_sets
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.refreshed import Refreshed
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.health.verdict import StackHealth
from onyx_pipelines.readiness.whole_stack import examine_whole
from onyx_pipelines.vault.catalog import Catalog, CatalogRow, Scan
from onyx_pipelines.vault.scanning import DamagedSet, ScanMemory, UntrustedSet
from onyx_pipelines.vault.set_view import SetView

_HEALTH_FRESH_S: Final = 15.0
_HEALTH_SHOWN_S: Final = 120.0


@dataclass(frozen=True)
class Listing:
    """One look at the stores; `sets`: those that some store has whole, newest first."""

    sets: tuple[tuple[CatalogRow, SetView], ...]
    scan: Scan

    @property
    def damaged(self) -> tuple[DamagedSet, ...]:
        """Of every store."""
        return self.scan.damaged

    @property
    def untrusted(self) -> tuple[UntrustedSet, ...]:
        """Of every store."""
        return self.scan.untrusted


class CatalogCache:
    """Rows of `onyx catalog list`."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._memory = ScanMemory()
        self._kept = Refreshed(self._look, clock)

    def rows(self) -> list[CatalogRow]:
        """Of `listed`, newest first."""
        return [row for row, _ in self.listed().sets]

    def listed(self) -> Listing:
        """What the stores held a moment ago.

        Raises:
            StoreError: a store does not answer; what was seen before is not passed off as current.
        """
        return self._kept.value()

    def forget(self) -> None:
        """After something was changed."""
        self._kept.forget()

    def _look(self) -> Listing:
        host = open_host(self._settings)
        catalog = Catalog(host.stores, host.trust, self._memory)
        found = retained_sets.listed_sets(host, catalog)
        return Listing(tuple(found), catalog.last_scan)


def health_cache(settings: Settings, catalog: CatalogCache) -> Refreshed[StackHealth]:
    """How the stack is, as of some seconds ago: it is scraped, and asks Prometheus itself."""
    look = partial(examine_whole, settings, lambda: catalog.listed().scan)
    return Refreshed(look, fresh_s=_HEALTH_FRESH_S, shown_s=_HEALTH_SHOWN_S)
