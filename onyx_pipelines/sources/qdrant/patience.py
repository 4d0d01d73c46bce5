"""How long work waits for a server that is busy: for one collection, and in all."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Final

import httpx

EACH_S: Final = 600.0
WHOLE_S: Final = 3600.0
# Where somebody looks on.
A_LOOK_S: Final = 30.0
_BUSY: Final = 429
# Whoever says 0 would be asked again without end.
_LEAST_S: Final = 0.1


class Patience:
    """What one backup, drill or restore has of it.

    Args:
        each_s: for one collection.
        whole_s: for all of them together.
    """

    def __init__(self, *, each_s: float = EACH_S, whole_s: float = WHOLE_S) -> None:
        self._each_s = each_s
        self._whole_s = whole_s
        self._waited: defaultdict[str, float] = defaultdict(float)

    def take(self, seconds: float, collection: str) -> bool:
        """Whether there is as much left, which then is less."""
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


def asked_wait_s(response: httpx.Response) -> float | None:
    """What a server that limits its rate asks for; None: it limits none, or does not say."""
    if response.status_code != _BUSY:
        return None
    try:
        return max(float(response.headers["retry-after"]), _LEAST_S)
    except (KeyError, ValueError):
        return None
