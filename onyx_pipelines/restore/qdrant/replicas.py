"""When a restored collection can be compared on a cluster.

The other nodes take it over from the one that it was restored on. Until they have, and for a moment
before they know that they must, a search may be answered by a replica that has nothing yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from onyx_pipelines.sources.qdrant.condition import all_active

_PATIENCE_S: Final = 600.0
# How long a replica that is told as active may still not know better.
_SETTLES_WITHIN_S: Final = 30.0
_POLL_S: Final = 1.0

T = TypeVar("T")


def once_settled(
    cluster: Callable[[], Mapping[str, Any]],
    compare: Callable[[], T],
    is_good: Callable[[T], bool],
    sleep: Callable[[float], bool],
    *,
    patience_s: float = _PATIENCE_S,
    settles_within_s: float = _SETTLES_WITHIN_S,
    poll_s: float = _POLL_S,
) -> T:
    """What comparing finds when every replica is active; at once where there is one node.

    Where a replica does not become active in time (its node may be gone), what the others answer is
    what counts.

    Args:
        cluster: what the server tells of the collection's shards now.
        is_good: whether it needs no second look.
        sleep: False, and at once, where it has been waited long enough for others too.
    """
    deadline = time.monotonic() + patience_s
    is_late = False
    while True:
        told = cluster()
        if not told["remote_shards"]:
            return compare()
        if all_active(told):
            deadline = min(deadline, time.monotonic() + settles_within_s)
        is_late = is_late or time.monotonic() >= deadline
        if is_late or all_active(told):
            found = compare()
            if is_late or is_good(found):
                return found
        is_late = not sleep(poll_s)
