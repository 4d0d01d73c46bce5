"""People who use the sandbox's application and its Suna, so that there is something to watch."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

import httpx

from onyx_pipelines.sandbox.service_process import ServiceProcess

_AT_A_TIME: Final = 8
_QUESTIONS: Final = (
    ("/api/chat/send-message", {"message": "How long does a restore take?"}),
    ("/api/rag/search", {"query": "backups"}),
    ("/api/rag/search", {"query": "restore plan"}),
    ("/api/agent/tasks", {"task": "Summarise the plan", "steps": 1}),
)


def ask(applications: Iterable[ServiceProcess], times: int) -> None:
    """Everything so many times, from eight people; whether it is answered is not looked at."""
    run = f"visitors-{datetime.now(UTC).timestamp():.0f}"

    def one(address: str, body: dict[str, object]) -> None:
        # One that is down, or slow, is what the watching is for.
        with contextlib.suppress(httpx.HTTPError):
            client.post(address, json=body)

    with (
        httpx.Client(trust_env=False, timeout=60, headers={"X-Run-Id": run}) as client,
        ThreadPoolExecutor(_AT_A_TIME) as people,
    ):
        for app, (path, body) in itertools.product(applications, _QUESTIONS * times):
            people.submit(one, app.url + path, dict(body))
