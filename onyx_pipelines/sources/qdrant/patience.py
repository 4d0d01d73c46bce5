"""How long work waits for a server that is busy: for one collection, and in all."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Final

import httpx

from onyx_pipelines.core.retry_after import asked_wait_s, moment_in

EACH_S: Final = 600.0
WHOLE_S: Final = 3600.0
# Where somebody looks on.
A_LOOK_S: Final = 30.0
_BUSY: Final = 429
# Whoever says 0 would be asked again without end.
_LEAST_S: Final = 0.1
# Where it is not said when: at first, and at most.
_FIRST_S: Final = 0.5
_LONGEST_S: Final = 30.0
# A server's words for one that its rate never allows: to wait is of no use.
_NEVER: Final = "larger than rate limiter capacity"


class Patience:
    """What one backup, drill or restore has of it. For several threads at a time.

    Args:
        each_s: for one collection.
        whole_s: for all of them together.
    """

    def __init__(self, *, each_s: float = EACH_S, whole_s: float = WHOLE_S) -> None:
        self._each_s = each_s
        self._whole_s = whole_s
        self._waited: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def take(self, seconds: float, collection: str) -> bool:
        """Whether there is as much left, which then is less."""
        with self._lock:
            of_this = self._each_s - self._waited[collection]
            if not 0 <= seconds <= min(of_this, self._whole_s - sum(self._waited.values())):
                return False
            self._waited[collection] += seconds
            return True

    def sleep(self, seconds: float, collection: str) -> bool:
        """False, and at once, where less is left."""
        if not self.take(seconds, collection):
            return False
        time.sleep(seconds)
        return True

    def until_next(self, response: httpx.Response, collection: str, said: str = "") -> float | None:
        """Seconds, which are taken, until a request is made again that the server limits.

        None: it is answered for another reason, will never be allowed, or no patience is left. A
        server that does not say when is asked less and less often.

        Args:
            said: what the answer has as its text.
        """
        if response.status_code != _BUSY or _NEVER in said:
            return None
        wait_s = _asked_s(response)
        if wait_s is None:
            wait_s = min(max(self._waited.get(collection, 0.0), _FIRST_S), _LONGEST_S)
        return wait_s if self.take(wait_s, collection) else None


def _asked_s(response: httpx.Response) -> float | None:
    """A date is meant by the server's own clock."""
    now = moment_in(response.headers.get("date", "")) or datetime.now(UTC)
    asked = asked_wait_s(response.headers.get("retry-after", ""), now)
    return None if asked is None else max(asked, _LEAST_S)
