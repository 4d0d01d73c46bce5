"""What a service of the stack did for its users, in the specification's families.

Nothing that a caller chooses makes series without end, and nobody's name is kept.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry

from onyx_pipelines.monitoring.instrumentation.bounded import BoundedValues
from onyx_pipelines.monitoring.metrics import (
    ACTIVE_USERS,
    AGENTS,
    CHAT,
    MODEL_CALLS,
    MODEL_COST,
    MODEL_TOKENS,
    RETRIEVAL,
    RETRIEVALS,
    TASKS,
    counter,
    duration_category,
    gauge,
    histogram,
)

_MODELS: Final = 20
_KINDS: Final = 10
_DAY_S: Final = 24 * 60 * 60.0
_USERS: Final = 100_000


class Recorder:
    """One of a process.

    Args:
        registry: that `/metrics` shows.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._chat = histogram(CHAT, registry)
        self._retrieval = histogram(RETRIEVAL, registry)
        self._retrievals = counter(RETRIEVALS, registry)
        self._tasks = counter(TASKS, registry)
        self._agents = gauge(AGENTS, registry)
        self._calls = counter(MODEL_CALLS, registry)
        self._tokens = counter(MODEL_TOKENS, registry)
        self._cost = counter(MODEL_COST, registry)
        self._users = RecentUsers()
        gauge(ACTIVE_USERS, registry).set_function(lambda: float(self._users.count()))
        self._models = BoundedValues(_MODELS)
        self._task_types = BoundedValues(_KINDS)
        self._agent_types = BoundedValues(_KINDS)
        self._result_counts = BoundedValues(_KINDS)
        self._similarities = BoundedValues(_KINDS)

    def chat(self, model: str, *, success: bool, seconds: float, user_id: str = "") -> None:
        """An answer, from its request to its last token. `user_id` only counts people."""
        self._chat.labels(self._models.of(model), _truth(success)).observe(seconds)
        if user_id:
            self._users.seen(user_id)

    def retrieval(self, vector_count: int, similarity: float, *, seconds: float) -> None:
        """A question to the vector database.

        Args:
            vector_count: of results that were asked for.
            similarity: the least that a result must have.
        """
        count = self._result_counts.of(str(vector_count))
        self._retrieval.labels(count, self._similarities.of(f"{similarity:g}")).observe(seconds)

    def retrieved(self, results: int) -> None:
        """What came of it: an answer without context is worse than none, and nobody sees it."""
        self._retrievals.labels("answered" if results else "empty").inc()

    def retrieval_failed(self) -> None:
        self._retrievals.labels("error").inc()

    def task(self, task_type: str, *, success: bool, seconds: float) -> None:
        """A task of an agent that has ended."""
        labels = (self._task_types.of(task_type), _truth(success), duration_category(seconds))
        self._tasks.labels(*labels).inc()

    def agents(self, agent_type: str, status: str, change: int) -> None:
        """So many more (or fewer) agents are in this state."""
        self._agents.labels(self._agent_types.of(agent_type), status).inc(change)

    def model_call(
        self,
        model: str,
        *,
        success: bool,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cost_usd: float = 0.0,
    ) -> None:
        name = self._models.of(model)
        self._calls.labels(name, "success" if success else "error").inc()
        self._tokens.labels(name, "input").inc(input_tokens)
        self._tokens.labels(name, "output").inc(output_tokens)
        self._cost.labels(name).inc(cost_usd)


class RecentUsers:
    """How many different users there were in the last 24 hours.

    Hashes under a key of this process that is kept nowhere: no name can be had back. More than
    100,000 are not told apart.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._last_seen: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def seen(self, user_id: str) -> None:
        name = hashlib.blake2b(user_id.encode(), key=self._key, digest_size=8).digest()
        with self._lock:
            self._last_seen[name] = self._clock()
            self._last_seen.move_to_end(name)
            if len(self._last_seen) > _USERS:
                self._last_seen.popitem(last=False)

    def count(self) -> int:
        since = self._clock() - _DAY_S
        with self._lock:
            while self._last_seen and next(iter(self._last_seen.values())) < since:
                self._last_seen.popitem(last=False)
            return len(self._last_seen)


def _truth(value: bool) -> str:
    return str(value).lower()
