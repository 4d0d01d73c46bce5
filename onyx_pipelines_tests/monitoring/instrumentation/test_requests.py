"""Requests of an application are counted by route, timed to their end, and never by who asked."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, Path
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from onyx_pipelines.monitoring.instrumentation.requests import RequestMetrics
from onyx_pipelines_tests.examples import random_examples

PAUSE_S = 0.2
# More than a loaded machine takes for an answer.
LATER_S = 2.0


async def _pieces() -> AsyncIterator[bytes]:
    for _ in range(4):
        await asyncio.sleep(PAUSE_S / 4)
        yield b"piece"


async def _breaks_off() -> AsyncIterator[bytes]:
    yield b"the first"
    raise RuntimeError("planted")


def _routers() -> FastAPI:
    """As people lay out an API: routers within routers, another application mounted."""
    inner = APIRouter(prefix="/tenants/{tenant}")
    items = APIRouter(prefix="/items")

    @items.get("/{item_id}")
    async def item(item_id: str) -> dict[str, str]:
        if item_id == "none":
            raise HTTPException(404)
        return {}

    @items.get("/by-number/{number}/parts/{part:path}")
    async def part(number: Annotated[int, Path()], part: str) -> dict[str, str]:
        return {}

    inner.include_router(items)
    app = FastAPI()
    app.include_router(items, prefix="/v1")
    app.include_router(inner, prefix="/v2")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(_pieces())

    @app.get("/breaks-off")
    async def breaks_off() -> StreamingResponse:
        return StreamingResponse(_breaks_off())

    @app.get("/raises")
    async def raises() -> None:
        raise RuntimeError("planted")

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> dict[str, str]:
        tasks.add_task(asyncio.sleep, LATER_S)
        return {}

    app.mount("/mounted/{tenant}", _mounted())
    return app


def _mounted() -> Starlette:
    def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("there")

    return Starlette(
        routes=[Route("/a/{b}", answer), Mount("/deeper", routes=[Route("/c/{d:int}", answer)])]
    )


class Measured:
    """An application with the middleware around it."""

    def __init__(self, app: Any) -> None:
        self.registry = CollectorRegistry()
        self.app = RequestMetrics(app, self.registry)

    async def request(self, path: str, method: str = "GET") -> int:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            return (await client.request(method, path)).status_code

    def get(self, path: str, method: str = "GET") -> int:
        return asyncio.run(self.request(path, method))

    def counted(self) -> dict[tuple[str, str, str], float]:
        """By method, route and status."""
        return {
            (each.labels["method"], each.labels["route"], each.labels["status"]): each.value
            for family in self.registry.collect()
            for each in family.samples
            if each.name == "onyx_http_requests_total"
        }

    def seconds(self, route: str) -> float:
        labels = {"method": "GET", "route": route}
        found = self.registry.get_sample_value("onyx_http_request_duration_seconds_sum", labels)
        assert found is not None
        return found


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/items/5", "/v1/items/{item_id}"),
        ("/v2/tenants/acme/items/5", "/v2/tenants/{tenant}/items/{item_id}"),
        ("/v1/items/none", "/v1/items/{item_id}"),
        ("/mounted/acme/a/7", "/mounted/{tenant}/a/{b}"),
        ("/mounted/acme/deeper/c/7", "/mounted/{tenant}/deeper/c/{d}"),
        ("/mounted/acme/nothing", "<unmatched>"),
        ("/nothing/here?at=all", "<unmatched>"),
        ("/v1/items/by-number/7/parts/a/b/c", "/v1/items/by-number/{number}/parts/{part}"),
    ],
)
def test_a_request_is_counted_by_the_template_of_its_route(path: str, route: str) -> None:
    measured = Measured(_routers())

    status = measured.get(path)

    assert measured.counted() == {("GET", route, str(status)): 1}


def test_a_value_that_a_converter_changed_is_no_label() -> None:
    measured = Measured(_routers())

    measured.get("/v1/items/by-number/007/parts/x")

    ((_, route, _),) = measured.counted()
    assert route.endswith("/items/by-number/{number}/parts/{part}")


@pytest.mark.slow
@settings(max_examples=random_examples(40))
@given(values=st.lists(st.text("abc019@%-. é/", min_size=1, max_size=20), min_size=1, max_size=4))
def test_no_random_value_of_a_parameter_becomes_a_label(values: list[str]) -> None:
    measured = Measured(_routers())

    for tenant, item in itertools.product(values, values):
        path = f"/v2/tenants/T{tenant}/items/I{item}"
        measured.get(httpx.URL("http://host").copy_with(path=path).raw_path.decode())

    known = {"<unmatched>", "/v2/tenants/{tenant}/items/{item_id}"}
    assert {route for _, route, _ in measured.counted()} <= known


def test_a_streamed_answer_is_timed_to_its_last_byte() -> None:
    measured = Measured(_routers())

    measured.get("/stream")

    assert measured.seconds("/stream") >= PAUSE_S


def test_work_after_the_answer_is_not_part_of_it() -> None:
    measured = Measured(_routers())

    measured.get("/later")

    assert measured.seconds("/later") < LATER_S


@pytest.mark.parametrize("path", ["/breaks-off", "/raises"])
def test_an_answer_that_breaks_off_has_failed_whatever_its_status_was(path: str) -> None:
    measured = Measured(_routers())

    measured.get(path)

    assert measured.counted() == {("GET", path, "500"): 1}


@pytest.mark.parametrize("version", ["2.3", "2.4"])
def test_a_client_that_goes_away_is_no_error_of_the_service(version: str) -> None:
    """Servers tell it in two ways: a message (ASGI 2.3), or an error when sending (2.4)."""
    measured = Measured(_routers())
    asyncio.run(_goes_away(measured.app, version))

    assert list(measured.counted()) == [("GET", "/stream", "499")]


async def _goes_away(app: Callable[..., Awaitable[None]], version: str) -> None:
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        while "http.response.body" not in sent:
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])
        if version == "2.4" and sent.count("http.response.body") > 1:
            raise OSError("gone")

    scope = {
        "type": "http",
        "asgi": {"spec_version": version},
        "method": "GET",
        "path": "/stream",
        "headers": [],
        "query_string": b"",
    }
    # What Starlette itself raises then.
    with contextlib.suppress(ClientDisconnect):
        await app(scope, receive, send)


def test_requests_in_flight_are_those_without_an_end() -> None:
    measured = Measured(_routers())

    async def three_at_once() -> float | None:
        under_way = [asyncio.create_task(measured.request("/stream")) for _ in range(3)]
        await asyncio.sleep(PAUSE_S / 2)
        found = measured.registry.get_sample_value("onyx_http_requests_in_flight")
        await asyncio.gather(*under_way)
        return found

    assert asyncio.run(three_at_once()) == 3
    assert measured.registry.get_sample_value("onyx_http_requests_in_flight") == 0


def test_methods_that_callers_invent_are_one_label() -> None:
    measured = Measured(_routers())

    for method in ("BREW", "PROPFIND", "X" * 1000):
        measured.get("/v1/items/5", method)

    assert {method for method, _, _ in measured.counted()} == {"OTHER"}


def test_routes_that_callers_invent_are_no_more_than_the_budget() -> None:
    """A framework that tells no parameters of its mounts, or one that routes by patterns."""

    async def any_path(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Route", (), {"path": scope["path"]})
        await PlainTextResponse("")(scope, receive, send)

    measured = Measured(any_path)

    async def ask() -> None:
        for number in range(300):
            await measured.request(f"/page/n{number}x")

    asyncio.run(ask())

    assert len(measured.counted()) == 201
    assert measured.counted()["GET", "other", "200"] == 100


def test_the_applications_lifespan_and_web_sockets_pass_through() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    measured = Measured(app)
    for kind in ("lifespan", "websocket"):
        asyncio.run(measured.app({"type": kind}, None, None))  # type: ignore[arg-type] # not called

    assert seen == ["lifespan", "websocket"]
    assert not measured.counted()
