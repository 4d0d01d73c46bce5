"""The application's answers: streamed from a server that speaks OpenAI's API."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator

import httpx

from onyx_pipelines.sandbox.app.configuration import AppSettings
from onyx_pipelines.sandbox.app.server_timing import ServerTiming

HOP = "llm"
_TIMEOUT_S = 120.0
# The mock model says how long it took in the one free text field that proxies pass on.
_OWN_TIME = re.compile(r"took_ms=([0-9.]+)")


class RefusedError(Exception):
    """The model turned us away for our rate."""


class LanguageModel:
    """`limit` connections at a time; 0: no limit."""

    def __init__(self, settings: AppSettings) -> None:
        self._url = settings.llm_url.rstrip("/") + "/chat/completions"
        self._key = settings.llm_key.get_secret_value()
        self._model = settings.llm_model
        self._client = _client()
        self._slots: asyncio.Semaphore | None = None
        self.slow_lookup_ms = 0.0

    async def close(self) -> None:
        await self._client.aclose()

    def limit(self, connections: int) -> None:
        self._slots = asyncio.Semaphore(connections) if connections else None

    async def answer(self, timing: ServerTiming, question: str, context: str) -> AsyncIterator[str]:
        """Pieces of the answer as they come.

        Raises:
            RefusedError: 429.
            httpx.HTTPError: no answer.
        """
        begun = time.perf_counter()
        try:
            if self._slots is None:
                async for piece in self._stream(timing, question, context):
                    yield piece
            else:
                async with self._slots:
                    async for piece in self._stream(timing, question, context):
                        yield piece
        finally:
            timing.add(HOP, 1000 * (time.perf_counter() - begun))

    async def _stream(
        self, timing: ServerTiming, question: str, context: str
    ) -> AsyncIterator[str]:
        if self.slow_lookup_ms:
            await asyncio.sleep(self.slow_lookup_ms / 1000)
        body = {
            "model": self._model,
            "stream": True,
            "messages": [
                {"role": "system", "content": f"Answer from these documents:\n{context}"},
                {"role": "user", "content": question},
            ],
        }
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        async with self._client.stream("POST", self._url, json=body, headers=headers) as answer:
            if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                raise RefusedError
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                piece = _piece(line, timing)
                if piece:
                    yield piece


def _client() -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    return httpx.AsyncClient(timeout=_TIMEOUT_S, limits=limits, trust_env=False)


def _piece(line: str, timing: ServerTiming) -> str:
    if not line.startswith("data:") or line.endswith("[DONE]"):
        return ""
    chunk = json.loads(line[len("data:") :])
    own_time = _OWN_TIME.search(chunk.get("system_fingerprint") or "")
    if own_time is not None:
        timing.add(f"{HOP}_srv", float(own_time[1]))
    choices = chunk.get("choices") or [{}]
    return str((choices[0].get("delta") or {}).get("content") or "")
