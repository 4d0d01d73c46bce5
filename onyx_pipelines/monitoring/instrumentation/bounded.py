"""Labels whose values callers choose: the first few as they are, all others as one."""

from __future__ import annotations

import threading
from typing import Final

OTHER: Final = "other"


class BoundedValues:
    """At most `limit` values; whoever invents more makes no more series."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def of(self, value: str) -> str:
        """The value, or OTHER."""
        if value in self._seen:
            return value
        with self._lock:
            if len(self._seen) >= self._limit:
                return OTHER
            self._seen.add(value)
        return value
