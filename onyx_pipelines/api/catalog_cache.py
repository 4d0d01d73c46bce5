"""The catalog for reading endpoints: as old as a few seconds at most, and there while stores are
slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from onyx_pipelines.backup import steps
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.settings import Settings
from onyx_pipelines.vault.catalog import CatalogRow

_FRESH_S: Final = 5.0


class CatalogCache:
    """Rows of `onyx catalog list`; one look at the stores at a time."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: list[CatalogRow] | None = None
        self._looked_at = 0.0

    def rows(self) -> list[CatalogRow]:
        """Newest first.

        Raises:
            StoreError: a store does not answer; what was seen before is not passed off as current.
        """
        with self._lock:
            if self._rows is None or self._clock() - self._looked_at > _FRESH_S:
                host = open_host(self._settings)
                self._rows = steps.catalog_rows(host, host.catalog)
                self._looked_at = self._clock()
            return self._rows

    def forget(self) -> None:
        """After something was changed."""
        with self._lock:
            self._rows = None
