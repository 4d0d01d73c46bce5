"""Exact mean value analysis of one queue and a delay, in a closed system.

Source: M. Reiser, S. S. Lavenberg, Mean-Value Analysis of Closed Multichain Queuing Networks,
J. ACM 27(2), 1980.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def throughput_per_ms(users: int, base_ms: Floats, demand_ms: Floats) -> Floats:
    """Throughput at 1 to `users` users; shape (users, *base_ms.shape).

    Args:
        base_ms: latency of a single user.
        demand_ms: of it, the time at the queue; at most `base_ms`.
    """
    delay = base_ms - demand_ms
    queued = np.zeros_like(base_ms)
    found = np.empty((users, *base_ms.shape))
    for at in range(users):
        at_queue = demand_ms * (1 + queued)
        throughput = (at + 1) / (delay + at_queue)
        queued = throughput * at_queue
        found[at] = throughput
    return found
