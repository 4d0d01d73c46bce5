"""The catalog for reading endpoints: as old as a few seconds at most, and there while stores are
slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.backup import retained_sets
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.vault.catalog import Catalog, CatalogRow
from onyx_pipelines.vault.scanning import DamagedSet, ScanMemory, UntrustedSet
from onyx_pipelines.vault.set_view import SetView

_FRESH_S: Final = 5.0
# Older is not shown: somebody asks for the first time in a while, or a store does not answer.
_SHOWN_S: Final = 30.0
# Of the time that looking takes, so that a large catalog does not keep a core busy.
_REST: Final = 10.0


@dataclass(frozen=True)
class Listing:
    """One look at the stores; `sets`: those that some store has whole, newest first."""

    sets: tuple[tuple[CatalogRow, SetView], ...]
    damaged: tuple[DamagedSet, ...]
    untrusted: tuple[UntrustedSet, ...]


class CatalogCache:
    """Rows of `onyx catalog list`; one look at the stores at a time. What is a little old is
    answered while a thread looks again."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._memory = ScanMemory()
        self._looking = threading.Lock()
        self._listed: Listing | None = None
        self._looked_at = 0.0
        self._took_s = 0.0

    def rows(self) -> list[CatalogRow]:
        """Of `listed`, newest first."""
        return [row for row, _ in self.listed().sets]

    def listed(self) -> Listing:
        """What the stores held a moment ago.

        Raises:
            StoreError: a store does not answer; what was seen before is not passed off as current.
        """
        listed, age_s = self._listed, self._clock() - self._looked_at
        if listed is None or age_s > max(_SHOWN_S, 2 * _REST * self._took_s):
            return self._look()
        if age_s > max(_FRESH_S, _REST * self._took_s) and not self._looking.locked():
            threading.Thread(target=self._look_again, name="catalog", daemon=True).start()
        return listed

    def forget(self) -> None:
        """After something was changed."""
        with self._looking:
            self._listed = None

    def _look(self) -> Listing:
        asked_at = self._clock()
        with self._looking:
            if self._listed is None or self._looked_at < asked_at:
                begun = self._clock()
                host = open_host(self._settings)
                catalog = Catalog(host.stores, host.trust, self._memory)
                found = retained_sets.listed_sets(host, catalog)
                self._listed = Listing(tuple(found), catalog.damaged, catalog.untrusted)
                self._looked_at = begun
                self._took_s = self._clock() - begun
            return self._listed

    def _look_again(self) -> None:
        # Whoever asks when the old answer is too old gets the error.
        with suppress(OnyxError):
            self._look()
