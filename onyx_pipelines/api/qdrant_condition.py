"""How many collections of Qdrant are not well: as old as a minute, and no scrape waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.settings import QdrantSettings
from onyx_pipelines.sources.qdrant.examining import count_unwell

_FRESH_S: Final = 60.0
_LOG: Final = logger("api")


class QdrantCondition:
    """Looks in a thread of its own, when somebody asks and the last look is old."""

    def __init__(
        self, settings: QdrantSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._looking = threading.Lock()
        self._looked_at = float("-inf")
        self._unwell: int | None = None

    def unwell(self) -> int | None:
        """As last seen; None: no server is set, it was not looked yet, or it does not answer."""
        if self._settings.qdrant_url and self._clock() - self._looked_at > _FRESH_S:
            threading.Thread(target=self.look, name="qdrant-condition", daemon=True).start()
        return self._unwell

    def look(self) -> None:
        """Now, unless another thread does."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            settings = self._settings
            self._unwell = count_unwell(
                settings.qdrant_url, settings.qdrant_api_key, settings.qdrant_ca_file
            )
        except OnyxError as error:
            self._unwell = None
            _LOG.info("Qdrant's collections were not seen", extra={"error": error.what})
        finally:
            self._looked_at = self._clock()
            self._looking.release()
