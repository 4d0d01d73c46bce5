"""The endpoints: chat (streamed), retrieval, tasks of agents, metrics, faults."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import generate_latest
from pydantic import BaseModel, Field

from onyx_pipelines.errors.tracking import identify
from onyx_pipelines.monitoring.instrumentation.requests import RequestMetrics
from onyx_pipelines.sandbox.app.configuration import AppSettings
from onyx_pipelines.sandbox.app.database import Database
from onyx_pipelines.sandbox.app.faults import Faults
from onyx_pipelines.sandbox.app.language_model import LanguageModel, RefusedError
from onyx_pipelines.sandbox.app.metrics import Metrics
from onyx_pipelines.sandbox.app.server_timing import ServerTiming
from onyx_pipelines.sandbox.app.vectors import Vectors

_RETRY_AFTER_S = "1"


class ChatRequest(BaseModel):
    message: str = Field(min_length=1, max_length=10_000)
    session_id: str = Field(default="", max_length=200)
    stream: bool = True


class SearchRequest(BaseModel):
    query: str = Field(min_length=1, max_length=10_000)
    top_k: int = Field(default=5, ge=1, le=50)


class TaskRequest(BaseModel):
    task: str = Field(min_length=1, max_length=10_000)
    steps: int = Field(default=3, ge=1, le=10)


class RateLimit:
    """Requests of the last second."""

    def __init__(self) -> None:
        self.per_s = 0.0
        self._allowance = 0.0
        self._seen = time.monotonic()

    def admits(self) -> bool:
        """A bucket that holds as much as one second lets through."""
        if not self.per_s:
            return True
        now = time.monotonic()
        self._allowance = min(
            max(self.per_s, 1.0), self._allowance + (now - self._seen) * self.per_s
        )
        self._seen = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


class Application:
    """What the endpoints share."""

    def __init__(self, settings: AppSettings) -> None:
        self.settings = settings
        self.database = Database(settings)
        self.vectors = Vectors(settings)
        self.model = LanguageModel(settings)
        self.metrics = Metrics(self.database.gauges)
        self.faults = settings.faults
        self.limit = RateLimit()
        self.section = asyncio.Lock()
        self.leaked: list[bytes] = []

    async def inject(self, faults: Faults) -> None:
        self.faults = faults
        self.database.slow_ms = faults.slow_db_ms
        await self.database.resize(faults.pool_size)
        self.model.limit(faults.caller_limit)
        self.model.slow_lookup_ms = faults.slow_dns_ms
        self.limit.per_s = faults.rate_limit_per_s
        if not faults.leak_kb:
            self.leaked.clear()

    async def do_injected_work(self) -> None:
        """What every request does on top of its own work."""
        faults = self.faults
        if faults.lock_ms:
            async with self.section:
                await asyncio.sleep(faults.lock_ms / 1000)
        if faults.leak_kb:
            self.leaked.append(b"x" * (faults.leak_kb * 1024))
        if faults.cpu_burn_ms:
            burn(faults.cpu_burn_ms)

    def crash_if_wanted(self) -> None:
        """Half way through, so that there is something to tell of what went before."""
        if self.faults.crash:
            raise RuntimeError("This was asked for: the fault `crash` is on.")

    def padding(self) -> str:
        return "x" * (self.faults.big_payload_kb * 1024)

    def observe(self, timing: ServerTiming) -> None:
        for hop in ("pg", "qdrant", "llm"):
            if timing.spent_ms(hop):
                self.metrics.hops.labels(hop).observe(timing.spent_ms(hop) / 1000)


def burn(milliseconds: float) -> None:
    """CPU time of this thread, not wall time."""
    until = time.thread_time() + milliseconds / 1000
    data = b"load"
    while time.thread_time() < until:
        data = hashlib.sha256(data).digest()


def create_app(settings: AppSettings) -> FastAPI:
    """The application; it connects when it starts."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await application.database.open()
        await application.inject(settings.faults)
        yield
        await application.model.close()
        await application.vectors.close()
        await application.database.close()

    application = Application(settings)
    app = FastAPI(title="ONYX sandbox application", lifespan=life)

    @app.middleware("http")
    async def limit(request: Request, call_next: Any) -> Response:
        if request.url.path.startswith("/api/") and not application.limit.admits():
            return _refused(ServerTiming())
        response: Response = await call_next(request)
        return response

    app.add_middleware(RequestMetrics, registry=application.metrics.registry)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics")
    async def metrics() -> Response:
        text = generate_latest(application.metrics.registry)
        return Response(text, media_type="text/plain; version=0.0.4")

    @app.get("/faults")
    async def faults() -> Faults:
        return application.faults

    @app.put("/faults")
    async def set_faults(wanted: Faults) -> Faults:
        await application.inject(wanted)
        return wanted

    @app.delete("/api/runs/{run_id}")
    async def forget(run_id: str) -> dict[str, int]:
        return {"deleted": await application.database.forget_run(run_id)}

    @app.post("/api/chat/send-message", response_model=None)
    async def chat(
        wanted: ChatRequest,
        x_run_id: Annotated[str, Header(max_length=200)] = "",
        x_user_id: Annotated[str, Header(max_length=200)] = "",
    ) -> Response:
        timing = ServerTiming()
        session = wanted.session_id or "new"
        identify(user_id=x_user_id, session_id=session)
        await application.do_injected_work()
        await application.database.remember(timing, x_run_id, session, "user", wanted.message)
        found = await application.vectors.search(timing, wanted.message, 5)
        application.crash_if_wanted()
        context = "\n".join(str(each.get("title", "")) for each in found)
        pieces = application.model.answer(timing, wanted.message, context)
        try:
            first = await anext(pieces, "")
        except RefusedError:
            return _refused(timing)
        except httpx.HTTPError as error:
            return _failed(timing, error)
        events = _events(application, timing, first, pieces, x_run_id, session)
        return StreamingResponse(events, media_type="text/event-stream")

    @app.post("/api/rag/search", response_model=None)
    async def search(wanted: SearchRequest) -> Response:
        timing = ServerTiming()
        await application.do_injected_work()
        found = await application.vectors.search(timing, wanted.query, wanted.top_k)
        application.crash_if_wanted()
        ids = [str(each["document_id"]) for each in found if "document_id" in each]
        documents = await application.database.documents(timing, ids)
        done = application.metrics.done
        done.retrieval(wanted.top_k, 0, seconds=timing.elapsed_s)
        done.retrieved(len(found))
        return _answered(
            application,
            timing,
            {"documents": documents, "scores": [each["score"] for each in found]},
        )

    @app.post("/api/agent/tasks", response_model=None)
    async def task(
        wanted: TaskRequest, x_run_id: Annotated[str, Header(max_length=200)] = ""
    ) -> Response:
        timing = ServerTiming()
        done = application.metrics.done
        done.agents("research", "working", 1)
        success = False
        try:
            await application.do_injected_work()
            notes: list[str] = []
            for step in range(wanted.steps):
                found = await application.vectors.search(timing, f"{wanted.task} {step}", 3)
                notes += [str(each.get("title", "")) for each in found]
            pieces = [
                piece
                async for piece in application.model.answer(timing, wanted.task, "\n".join(notes))
            ]
            result = "".join(pieces)
            await application.database.remember(timing, x_run_id, "agent", "agent", result)
            success = True
            return _answered(application, timing, {"result": result, "steps": wanted.steps})
        except RefusedError:
            return _refused(timing)
        except httpx.HTTPError as error:
            return _failed(timing, error)
        finally:
            done.agents("research", "working", -1)
            done.task("research", success=success, seconds=timing.elapsed_s)

    return app


async def _events(
    application: Application,
    timing: ServerTiming,
    first: str,
    pieces: AsyncIterator[str],
    run_id: str,
    session: str,
) -> AsyncIterator[str]:
    """Server-sent events; the last one says how long all of it took."""
    success = False
    text = [first]
    try:
        yield _event({"type": "message_delta", "content": first})
        async for piece in pieces:
            text.append(piece)
            yield _event({"type": "message_delta", "content": piece})
        if application.faults.big_payload_kb:
            yield _event({"type": "documents", "padding": application.padding()})
        await application.database.remember(timing, run_id, session, "assistant", "".join(text))
        yield _event({"type": "done"})
        success = True
    except httpx.HTTPError:
        yield _event({"type": "error"})
    finally:
        application.metrics.done.chat(
            application.settings.llm_model,
            success=success,
            seconds=timing.elapsed_s,
            user_id=session,
        )
        application.observe(timing)
    yield f"event: server-timing\ndata: {timing.value()}\n\n"


def _event(packet: dict[str, str]) -> str:
    return f"data: {json.dumps(packet)}\n\n"


def _answered(application: Application, timing: ServerTiming, body: dict[str, Any]) -> Response:
    application.observe(timing)
    if application.faults.big_payload_kb:
        body["padding"] = application.padding()
    return JSONResponse(body, headers={"Server-Timing": timing.value()})


def _refused(timing: ServerTiming) -> Response:
    headers = {"Retry-After": _RETRY_AFTER_S, "Server-Timing": timing.value()}
    return JSONResponse({"detail": "too many requests"}, 429, headers)


def _failed(timing: ServerTiming, error: httpx.HTTPError) -> Response:
    detail = {"detail": f"the model did not answer ({type(error).__name__})"}
    return JSONResponse(detail, 502, {"Server-Timing": timing.value()})
