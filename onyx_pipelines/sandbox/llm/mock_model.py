"""A model that always answers the same to the same, in the same time: OpenAI's chat API.

Delays are set, so that a load test measures the stack and not a provider.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import generate_latest
from pydantic import BaseModel, ConfigDict

from onyx_pipelines.sandbox.llm.delays import Delays
from onyx_pipelines.sandbox.llm.litellm_families import LiteLlmFamilies

NAME = "mock"
_WORDS = (
    "the",
    "plan",
    "of",
    "record",
    "says",
    "that",
    "backups",
    "restore",
    "within",
    "an",
    "hour",
)


class Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: str
    content: Any = ""


class Completion(BaseModel):
    model_config = ConfigDict(extra="ignore")

    model: str = "mock"
    messages: list[Message]
    stream: bool = False


class _Model:
    def __init__(self, delays: Delays) -> None:
        self.delays = delays
        self.metrics = LiteLlmFamilies(NAME)
        self.second = 0
        self.in_second = 0
        self._refused = 0.0

    def refuses(self) -> bool:
        """Evenly: of ten calls the same share as of a thousand."""
        self._refused += self.delays.refused_share
        if self._refused < 1:
            return False
        self._refused -= 1
        return True

    def admits(self) -> bool:
        limit = self.delays.rate_limit_per_s
        if not limit:
            return True
        now = int(time.monotonic())
        if now != self.second:
            self.second, self.in_second = now, 0
        self.in_second += 1
        return self.in_second <= limit

    def answered(self, wanted: Completion, begun: float, received: int) -> None:
        """For its metrics; a word is a token."""
        self.metrics.answered(
            seconds=time.perf_counter() - begun,
            sent=sum(len(str(message.content).split()) for message in wanted.messages),
            received=received,
        )

    def words(self, wanted: Completion) -> list[str]:
        text = "\n".join(str(message.content) for message in wanted.messages)
        start = int.from_bytes(hashlib.sha256(text.encode()).digest()[:2], "big")
        return [_WORDS[(start + at) % len(_WORDS)] + " " for at in range(self.delays.tokens)]


def create_app(delays: Delays) -> FastAPI:
    """The model; PUT /delays changes it while it runs."""
    model = _Model(delays)
    app = FastAPI(title="Mock model")

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics")
    async def metrics() -> Response:
        """In LiteLLM's place: it is the application's model."""
        text = generate_latest(model.metrics.registry)
        return Response(text, media_type="text/plain; version=0.0.4")

    @app.put("/delays")
    async def set_delays(wanted: Delays) -> Delays:
        model.delays = wanted
        return wanted

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [{"id": NAME, "object": "model"}]}

    @app.post("/v1/chat/completions", response_model=None)
    async def complete(wanted: Completion) -> Response:
        if not model.admits():
            model.metrics.failed()
            error = {"error": {"message": "rate limit", "type": "rate_limit_error"}}
            return JSONResponse(error, 429, {"Retry-After": "1"})
        if model.refuses():
            model.metrics.failed()
            error = {"error": {"message": "refused", "type": "injected_error"}}
            return JSONResponse(error, model.delays.refused_status)
        begun = time.perf_counter()
        if wanted.stream:
            return StreamingResponse(_chunks(model, wanted, begun), media_type="text/event-stream")
        await asyncio.sleep(
            (model.delays.first_token_ms + model.delays.token_ms * model.delays.tokens) / 1000
        )
        words = model.words(wanted)
        model.answered(wanted, begun, len(words))
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "".join(words)},
            "finish_reason": "stop",
        }
        usage = {
            "prompt_tokens": 1,
            "completion_tokens": len(words),
            "total_tokens": len(words),
        }
        return JSONResponse(
            _envelope("chat.completion", wanted, begun) | {"choices": [choice], "usage": usage}
        )

    return app


async def _chunks(model: _Model, wanted: Completion, begun: float) -> AsyncIterator[str]:
    delays = model.delays
    due = begun + delays.first_token_ms / 1000
    words = model.words(wanted)
    for number, word in enumerate(words):
        # Against the clock: delays that are added up would grow with the load.
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        due += delays.token_ms / 1000
        if number == 0:
            model.metrics.first_token(time.perf_counter() - begun)
        yield _chunk(wanted, {"index": 0, "delta": {"role": "assistant", "content": word}})
    model.answered(wanted, begun, len(words))
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield _chunk(wanted, last, begun)
    yield "data: [DONE]\n\n"


def _chunk(wanted: Completion, choice: dict[str, Any], begun: float | None = None) -> str:
    body = _envelope("chat.completion.chunk", wanted, begun) | {"choices": [choice]}
    return f"data: {json.dumps(body)}\n\n"


def _envelope(kind: str, wanted: Completion, begun: float | None) -> dict[str, Any]:
    envelope: dict[str, Any] = {"id": "mock", "object": kind, "created": 0, "model": wanted.model}
    if begun is not None:
        took_ms = 1000 * (time.perf_counter() - begun)
        envelope["system_fingerprint"] = f"took_ms={took_ms:.3f}"
    return envelope
