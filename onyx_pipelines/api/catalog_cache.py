"""The catalog for reading endpoints: as old as a few seconds at most, and there while stores are
slow."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from onyx_pipelines.backup import retained_sets
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.errors import OnyxError
from onyx_pipelines.settings import Settings
from onyx_pipelines.vault.catalog import Catalog, CatalogRow
from onyx_pipelines.vault.manifest import Manifest
from onyx_pipelines.vault.scanning import ScanMemory

_FRESH_S: Final = 5.0
# Older is not shown: somebody asks for the first time in a while, or a store does not answer.
_SHOWN_S: Final = 30.0
# Of the time that looking takes, so that a large catalog does not keep a core busy.
_REST: Final = 10.0


class CatalogCache:
    """Rows of `onyx catalog list`; one look at the stores at a time. What is a little old is
    answered while a thread looks again."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._memory = ScanMemory()
        self._looking = threading.Lock()
        self._listed: list[tuple[CatalogRow, Manifest]] | None = None
        self._untrusted: Mapping[str, int] = {}
        self._looked_at = 0.0
        self._took_s = 0.0

    def rows(self) -> list[CatalogRow]:
        """As `listed`, without manifests."""
        return [row for row, _ in self.listed()]

    def listed(self) -> list[tuple[CatalogRow, Manifest]]:
        """Newest first.

        Raises:
            StoreError: a store does not answer; what was seen before is not passed off as current.
        """
        listed, age_s = self._listed, self._clock() - self._looked_at
        if listed is None or age_s > max(_SHOWN_S, 2 * _REST * self._took_s):
            return self._look()
        if age_s > max(_FRESH_S, _REST * self._took_s) and not self._looking.locked():
            threading.Thread(target=self._look_again, name="catalog", daemon=True).start()
        return listed

    @property
    def untrusted(self) -> Mapping[str, int]:
        """How many sets of each store did not count when `rows` were last looked at."""
        return self._untrusted

    def forget(self) -> None:
        """After something was changed."""
        with self._looking:
            self._listed = None

    def _look(self) -> list[tuple[CatalogRow, Manifest]]:
        asked_at = self._clock()
        with self._looking:
            if self._listed is None or self._looked_at < asked_at:
                begun = self._clock()
                host = open_host(self._settings)
                catalog = Catalog(host.stores, host.trust, self._memory)
                self._listed = retained_sets.listed_sets(host, catalog)
                self._untrusted = Counter(each.store for each in catalog.untrusted)
                self._looked_at = begun
                self._took_s = self._clock() - begun
            return self._listed

    def _look_again(self) -> None:
        # Whoever asks when the old answer is too old gets the error.
        with suppress(OnyxError):
            self._look()
