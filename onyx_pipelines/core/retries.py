"""How often, and after which waits, a step that failed for a moment is tried again; the same for
Dagster's runs and for commands."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, TypeVar

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger

MAX_RETRIES: Final = 3
FIRST_WAIT_S: Final = 30.0
# Somebody sits there.
FIRST_WAIT_OF_A_COMMAND_S: Final = 5.0
_JITTER: Final = 0.25

_log = logger("retries")
T = TypeVar("T")


def wait_s(retry_number: int, first_wait_s: float) -> float:
    """Doubled each time, with jitter; the first retry has the number 1."""
    spread = 1 + random.uniform(-_JITTER, _JITTER)  # noqa: S311  (no secret)
    return first_wait_s * float(2 ** (retry_number - 1)) * spread


def retried(step: Callable[[], T], sleep: Callable[[float], None]) -> T:
    """What a command's step gives, at the latest the third time that it is tried again.

    Raises:
        OnyxError: it is not transient, or still there.
    """
    for number in range(1, MAX_RETRIES + 1):
        try:
            return step()
        except OnyxError as error:
            if not error.transient:
                raise
            wait = wait_s(number, FIRST_WAIT_OF_A_COMMAND_S)
            _log.warning("attempt %d failed, next in %.0f s: %s", number, wait, error)
            sleep(wait)
    return step()
