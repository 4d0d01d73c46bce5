"""Qdrant in trouble, and what it holds."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final

import httpx

from bench.strikes.strike import Strike
from onyx_pipelines.sandbox.sample_vectors import load_sample_vectors
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox

_COLLECTIONS: Final = ("documents", "chat_memory")
# As many as the watched sandbox has.
_DOCUMENTS: Final = 40


def qdrant(**faults: Any) -> Strike:
    """It says so, or does so (sandbox/qdrant_standin/faults.py)."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        watched.sandbox.qdrant.set_faults(**faults)
        after.callback(watched.sandbox.qdrant.set_faults)

    return strike


def lose_points(share: float) -> Strike:
    """Of what is searched, so much is not there any more."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        after.callback(_fill_again, watched)
        lost = _ids(watched)[: round(share * _DOCUMENTS)]
        _ask(watched, "POST", "/documents/points/delete?wait=true", {"points": lost})

    return strike


def lose_collection(watched: WatchedSandbox, after: ExitStack) -> None:
    """All of it, and its name."""
    after.callback(_fill_again, watched)
    _ask(watched, "DELETE", "/documents")


def _ids(watched: WatchedSandbox) -> list[Any]:
    body = {"limit": _DOCUMENTS, "with_payload": False, "with_vector": False}
    points = _ask(watched, "POST", "/documents/points/scroll", body)["result"]["points"]
    return [each["id"] for each in points]


def _fill_again(watched: WatchedSandbox) -> None:
    for each in _COLLECTIONS:
        httpx.delete(f"{watched.sandbox.qdrant.url}/collections/{each}", trust_env=False)
    load_sample_vectors(watched.sandbox.qdrant.url, documents=_DOCUMENTS)


def _ask(watched: WatchedSandbox, method: str, path: str, body: Any = None) -> Any:
    url = f"{watched.sandbox.qdrant.url}/collections{path}"
    answer = httpx.request(method, url, json=body, timeout=30, trust_env=False)
    answer.raise_for_status()
    return answer.json()
