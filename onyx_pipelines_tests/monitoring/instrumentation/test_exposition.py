"""`/metrics` of a service: for whom it is meant, at once, and never older than a few seconds."""

from __future__ import annotations

import asyncio
import base64
import threading
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from starlette.routing import Route

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.monitoring.instrumentation.exposition import MetricsEndpoint, Snapshot
from onyx_pipelines_tests.waiting import wait_until

PASSWORD: Final = "4f1c-not-to-be-guessed"
NETWORK: Final = "10.7.0.0/16"


def endpoint(**changes: Any) -> MetricsEndpoint:
    registry = CollectorRegistry()
    Counter("asked", "A counter.", registry=registry).inc()
    given = {"user": "prometheus", "password": SecretStr(PASSWORD), "allowed": [NETWORK]}
    return MetricsEndpoint(registry, **{**given, **changes})


def ask(
    app: MetricsEndpoint | FastAPI,
    *,
    peer: str = "10.7.0.1",
    user: str = "prometheus",
    secret: str = PASSWORD,
) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            headers = {"X-Forwarded-For": "10.7.0.1"}
            return await client.get("/metrics", auth=(user, secret), headers=headers)

    return asyncio.run(answer())


def test_prometheus_can_read_it() -> None:
    answer = ask(endpoint())

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    names = [family.name for family in text_string_to_metric_families(answer.text)]
    assert names == ["asked", "onyx_metrics_age_seconds"]


def test_it_is_a_route_of_an_application() -> None:
    app = FastAPI()
    app.router.routes.append(Route("/metrics", endpoint()))

    assert ask(app).status_code == 200


@pytest.mark.parametrize(
    ("asks", "status"),
    [
        ({"secret": "wrong"}, 401),
        ({"user": "other"}, 401),
        ({"secret": ""}, 401),
        ({"peer": "10.8.0.1"}, 403),
        ({"peer": "no address"}, 403),
        ({"peer": "::ffff:10.7.0.9"}, 200),
    ],
)
def test_only_whom_it_is_meant_for_reads_it(asks: dict[str, str], status: int) -> None:
    """A header that claims an allowed address changes nothing."""
    answer = ask(endpoint(), **asks)

    assert answer.status_code == status
    assert ("asked_total" in answer.text) == (status == 200)


@pytest.mark.parametrize(
    "header", [b"Basic", b"Basic ###", b"Bearer x", b"Basic " + base64.b64encode(b"\xff\xfe:x")]
)
def test_a_header_that_is_no_credentials_is_refused(header: bytes) -> None:
    app = endpoint()
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "client": ("10.7.0.1", 1), "headers": [(b"authorization", header)]}
    asyncio.run(app(scope, None, send))  # type: ignore[arg-type] # it receives nothing

    assert sent[0]["status"] == 401


@pytest.mark.parametrize("password", ["", "admin", "prometheus", "short", "changeme"])
def test_a_password_that_everybody_knows_is_refused(password: str) -> None:
    with pytest.raises(SettingsError, match="password of /metrics"):
        endpoint(password=SecretStr(password))


def test_the_sandbox_may_have_a_password_that_everybody_knows() -> None:
    assert ask(endpoint(password=SecretStr("admin"), sandbox=True), secret="admin").is_success


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match="no address or network"):
        endpoint(allowed=["everybody"])


class Slow:
    """A registry's collector that waits to be let on, and counts."""

    def __init__(self) -> None:
        self.let_on = threading.Event()
        self.let_on.set()
        self.waits = threading.Event()
        self.asked = 0

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> list[GaugeMetricFamily]:
        if not self.let_on.is_set():
            self.waits.set()
        self.let_on.wait()
        self.asked += 1
        return [GaugeMetricFamily("asked", "How often.", value=self.asked)]


def values_of(snapshot: Snapshot) -> dict[str, float]:
    families = text_string_to_metric_families(snapshot.text().decode())
    return {each.name: each.samples[0].value for each in families}


def test_it_says_how_old_it_is() -> None:
    slow = Slow()
    registry = CollectorRegistry()
    registry.register(slow)
    snapshot = Snapshot(registry, every_s=0.01)
    snapshot.text()

    slow.let_on.clear()
    assert slow.waits.wait(60)
    wait_until(lambda: values_of(snapshot)["onyx_metrics_age_seconds"] > 0.1, "it ages")
    slow.let_on.set()
    wait_until(lambda: values_of(snapshot)["onyx_metrics_age_seconds"] < 0.1, "it is new")


def test_what_was_begun_is_there_for_the_first_who_asks() -> None:
    slow = Slow()
    registry = CollectorRegistry()
    registry.register(slow)
    snapshot = Snapshot(registry, every_s=60)

    snapshot.begin()
    wait_until(lambda: slow.asked == 1, "it is rendered")

    assert values_of(snapshot)["asked"] == 1


def test_what_could_not_be_rendered_is_no_empty_page_and_is_tried_again() -> None:
    class Broken(Slow):
        def collect(self) -> list[GaugeMetricFamily]:
            if self.asked == 0:
                self.asked = 1
                raise ValueError("broken")
            return super().collect()

    registry = CollectorRegistry()
    registry.register(Broken())
    snapshot = Snapshot(registry)

    with pytest.raises(RuntimeError, match="not be rendered"):
        snapshot.text()

    assert values_of(snapshot)["asked"] == 2


def test_a_scrape_never_waits_for_a_rendering_that_is_under_way() -> None:
    slow = Slow()
    registry = CollectorRegistry()
    registry.register(slow)
    snapshot = Snapshot(registry, every_s=0.01)
    first = snapshot.text()

    slow.let_on.clear()
    assert slow.waits.wait(60)
    meanwhile = snapshot.text()
    slow.let_on.set()

    assert meanwhile.splitlines()[:2] == first.splitlines()[:2]


def test_what_is_shown_becomes_new_while_somebody_asks() -> None:
    slow = Slow()
    registry = CollectorRegistry()
    registry.register(slow)
    snapshot = Snapshot(registry, every_s=0.01)

    def shown() -> float:
        return values_of(snapshot)["asked"]

    wait_until(lambda: shown() >= 5, "rendered five times")


def test_its_thread_ends_at_once_with_the_service() -> None:
    registry = CollectorRegistry()
    registry.register(Slow())
    snapshot = Snapshot(registry, every_s=600)
    snapshot.text()

    snapshot.end()

    wait_until(lambda: snapshot._renderer is None, "its thread has ended")


def test_its_thread_ends_when_nobody_asks_any_more_and_whoever_asks_again_gets_a_new_text() -> None:
    slow = Slow()
    registry = CollectorRegistry()
    registry.register(slow)
    snapshot = Snapshot(registry, every_s=0.01, asked_within_s=0.05)

    snapshot.text()
    wait_until(lambda: snapshot._renderer is None, "its thread has ended")
    count = slow.asked
    snapshot.text()

    # A new thread may have made another one by now.
    assert slow.asked > count
