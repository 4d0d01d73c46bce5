"""Whoever we ask may dribble, or never end: each client says so, within a limit on the whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest

from onyx_pipelines.api.dagster_client import DagsterClient
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import PrometheusSettings, load_settings
from onyx_pipelines.core.whole_answer import AnswerLimitError, whole_answer
from onyx_pipelines.load_test.telemetry.pool_gauges import read_pool
from onyx_pipelines.load_test.telemetry.prometheus_usage import usage_between
from onyx_pipelines.load_test.telemetry.services import WatchedService
from onyx_pipelines.monitoring.prometheus import Prometheus
from onyx_pipelines.sources.volumes.docker_engine import DockerEngine
from onyx_pipelines_tests.vault.stores.nonsense_server import Answer, NonsenseServer, http

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
SLOW = {
    "in its headers": Answer(HEAD + b"X: ", dribble=b"x"),
    "in its body": Answer(HEAD + b"\r\n", dribble=b" "),
}
ENDLESS = Answer(HEAD + b"\r\n", dribble=b" " * (1 << 20), pause_s=0)
LIMIT_S = 0.5


def prometheus(url: str) -> object:
    settings = PrometheusSettings(prometheus_url=url)
    return Prometheus(settings, limit_s=LIMIT_S).metrics_count()


def dagster(url: str) -> object:
    settings = load_settings({"dagster_url": url})
    with closing(DagsterClient(settings, limit_s=LIMIT_S)) as client:
        return client.run("x")


def engine(url: str) -> object:
    with DockerEngine(url, answer_s=LIMIT_S / 2) as docker:
        return docker.volumes()


def usage(url: str) -> object:
    service = WatchedService(name="api", prometheus="job:api")
    return usage_between(url, [service], 0, 10, cores=1, limit_s=LIMIT_S)


CLIENTS: dict[str, Callable[[str], object]] = {
    "Prometheus": prometheus,
    "Dagster": dagster,
    r"The Docker engine at 127\.0\.0\.1:\d+": engine,
    "Prometheus, of a load test": usage,
}


@pytest.fixture(params=[*SLOW.values(), ENDLESS], ids=[*SLOW, "endless"])
def never_done(request: pytest.FixtureRequest) -> Iterator[NonsenseServer]:
    with NonsenseServer(lambda *_: request.param) as server:
        yield server


@pytest.mark.parametrize("who", CLIENTS)
def test_a_client_says_which_limit_was_reached(who: str, never_done: NonsenseServer) -> None:
    with pytest.raises((OnyxError, ProblemError)) as caught:
        CLIENTS[who](never_done.location.endpoint_url)

    said = f"{who.partition(',')[0]} (was not done with its answer after|answers with more than)"
    assert re.match(said, str(caught.value))


def test_pools_of_such_a_page_are_not_known(never_done: NonsenseServer) -> None:
    with httpx.Client(trust_env=False) as client:
        assert read_pool(client, never_done.location.endpoint_url) is None


def test_no_more_is_kept_than_the_limit() -> None:
    with (
        NonsenseServer(lambda *_: ENDLESS) as server,
        httpx.Client(trust_env=False) as client,
        pytest.raises(AnswerLimitError, match="more than 1 MB"),
    ):
        whole_answer(client, "GET", server.location.endpoint_url, limit_s=600, limit_bytes=1 << 20)


def test_a_whole_answer_has_its_headers_and_content_as_they_were_meant() -> None:
    packed = http(
        200, b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106"
        b"\x05\x00\x00\x00", Content_Encoding="gzip", Api_Version="1.41"
    )  # fmt: skip
    with NonsenseServer(lambda *_: packed) as server, httpx.Client(trust_env=False) as client:
        answer = whole_answer(client, "GET", server.location.endpoint_url, limit_s=60)

    assert (answer.text, answer.headers["api-version"]) == ("hello", "1.41")
