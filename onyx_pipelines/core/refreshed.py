"""What is costly to look at and asked for often: as old as a few seconds at most, and there while
looking is slow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

_FRESH_S: Final = 5.0
# Older is not shown: somebody asks for the first time in a while, or looking fails.
_SHOWN_S: Final = 30.0
# Of the time that looking takes, so that what takes long does not keep a core busy.
_REST: Final = 10.0

T = TypeVar("T")


class Refreshed(Generic[T]):
    """The result of one look at a time. What is a little old is given while a thread looks again.

    Args:
        look: may raise OnyxError.
        fresh_s: for so long nobody looks again.
        shown_s: what is older is given to nobody.
    """

    def __init__(
        self,
        look: Callable[[], T],
        clock: Callable[[], float] = time.monotonic,
        *,
        fresh_s: float = _FRESH_S,
        shown_s: float = _SHOWN_S,
    ) -> None:
        self._look = look
        self._clock = clock
        self._fresh_s, self._shown_s = fresh_s, shown_s
        self._looking = threading.Lock()
        self._found: tuple[T, float] | None = None
        self._took_s = 0.0

    def value(self) -> T:
        """As it was a moment ago.

        Raises:
            OnyxError: looking failed; what was seen before is not passed off as current.
        """
        found = self._found
        if found is None:
            return self._looked()
        value, looked_at = found
        age_s = self._clock() - looked_at
        if age_s > max(self._shown_s, 2 * _REST * self._took_s):
            return self._looked()
        if age_s > max(self._fresh_s, _REST * self._took_s) and not self._looking.locked():
            threading.Thread(target=self._look_again, name="refreshed", daemon=True).start()
        return value

    def forget(self) -> None:
        """After something was changed."""
        with self._looking:
            self._found = None

    def _looked(self) -> T:
        asked_at = self._clock()
        with self._looking:
            if self._found is None or self._found[1] < asked_at:
                begun = self._clock()
                self._found = self._look(), begun
                self._took_s = self._clock() - begun
            return self._found[0]

    def _look_again(self) -> None:
        # Whatever it is: whoever asks when the old answer is too old gets it.
        with suppress(Exception):
            self._looked()
