"""People who use the sandbox's application and its Suna, so that there is something to watch."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

import httpx

from onyx_pipelines.sandbox.service_process import ServiceProcess

_AT_A_TIME: Final = 8
# Who visits goes on to something else then.
_PATIENCE_S: Final = 20.0
_QUESTIONS: Final[Sequence[tuple[str, Mapping[str, object]]]] = (
    ("/api/chat/send-message", {"message": "How long does a restore take?"}),
    ("/api/rag/search", {"query": "backups"}),
    ("/api/rag/search", {"query": "restore plan"}),
    ("/api/agent/tasks", {"task": "Summarise the plan", "steps": 1}),
)


def ask(applications: Iterable[ServiceProcess], times: int) -> None:
    """Everything so many times, from eight people; whether it is answered is not looked at."""
    with _client(60) as client, ThreadPoolExecutor(_AT_A_TIME) as people:
        for app, (path, body) in itertools.product(applications, [*_QUESTIONS] * times):
            people.submit(_one, client, app.url + path, body)


@contextlib.contextmanager
def visiting(
    applications: Sequence[ServiceProcess], *, people: int, pause_s: float
) -> Iterator[None]:
    """As long as the block lasts, so many ask one thing after the other, and read in between."""
    gone = threading.Event()

    def stay(number: int) -> None:
        questions = itertools.cycle(itertools.product(_QUESTIONS, applications))
        # Not all of them the same at the same time.
        for (path, body), app in itertools.islice(questions, number, None):
            if gone.wait(pause_s):
                return
            _one(client, app.url + path, body)

    with _client(_PATIENCE_S) as client, ThreadPoolExecutor(people) as pool:
        for number in range(people):
            pool.submit(stay, number)
        try:
            yield
        finally:
            gone.set()


def _client(patience_s: float) -> httpx.Client:
    run = f"visitors-{datetime.now(UTC).timestamp():.0f}"
    return httpx.Client(trust_env=False, timeout=patience_s, headers={"X-Run-Id": run})


def _one(client: httpx.Client, address: str, body: Mapping[str, object]) -> None:
    # One that is down, or slow, is what the watching is for.
    with contextlib.suppress(httpx.HTTPError):
        client.post(address, json=dict(body))
