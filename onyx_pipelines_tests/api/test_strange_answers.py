"""Prometheus and Dagster, or what stands in their place, may answer anything: that is one problem
document, and never an answer that looks like "nothing there"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from onyx_pipelines_tests.api.conftest import Api, make_api
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.vault.stores.nonsense_server import NonsenseServer, http

RUN_ID = "0f0e0d0c-0000-4000-8000-000000000000"
NOTHING_OF_THE_KIND = (
    *(b"", b"[]", b"null", b"5", b'"x"', b"{}", b"<html>", b"\xff\xfe", b"[" * 50_000),
    *(b'{"data":null}', b'{"data":[]}', b'{"data":{}}', b'{"data":5}'),
)


def data(**fields: Any) -> bytes:
    return json.dumps({"data": fields}).encode()


@contextmanager
def answering(host: HostUnderTest, *bodies: bytes) -> Iterator[Api]:
    """A host whose Prometheus and Dagster are one server, which answers these in turn, and then the
    last of them for ever."""
    with NonsenseServer(lambda _, __, n: http(200, bodies[min(n, len(bodies)) - 1])) as server:
        url = server.location.endpoint_url
        host.set(PROMETHEUS_URL=url, DAGSTER_URL=url)
        api = make_api(host)
        with api.client():  # which ends its threads
            yield api


@pytest.mark.parametrize(
    "body",
    [
        *NOTHING_OF_THE_KIND,
        data(activeTargets=None),
        data(activeTargets=[5]),
        data(activeTargets=[{}]),
        data(activeTargets=[{"lastScrape": None, "labels": {"job": "a"}, "health": "up"}]),
        data(activeTargets=[{"lastScrape": "now", "labels": {"job": "a"}, "health": "up"}]),
        data(activeTargets=[{"lastScrape": "2026-01-01T00:00:00", "labels": {}, "health": "up"}]),
    ],
)
def test_the_health_of_a_prometheus_that_is_none_is_an_answer(
    volume_host: HostUnderTest, body: bytes
) -> None:
    with answering(volume_host, body) as api:
        answer = api.client().get("/api/metrics/health")

    assert answer.status_code == 200
    assert answer.json()["prometheus_scraping"] is False


@pytest.mark.parametrize(
    "body",
    [
        *NOTHING_OF_THE_KIND,
        data(result=[{}]),
        data(result=[{"value": []}]),
        data(result=[{"value": [1, None]}]),
        data(result=[{"value": [1, "many"]}]),
    ],
)
def test_the_figures_of_a_prometheus_that_is_none_are_a_problem(
    volume_host: HostUnderTest, body: bytes
) -> None:
    with answering(volume_host, body) as api:
        answer = api.client().get("/api/metrics/summary")

    assert answer.status_code == 503
    assert "ONYX_PROMETHEUS_URL" in answer.json()["remedy"]


UNABLE = {"__typename": "PythonError", "message": "the database is gone"}
QUESTIONS = {
    "a run": ("GET", f"/api/runs/{RUN_ID}"),
    "cancelling": ("POST", f"/api/runs/{RUN_ID}/cancel"),
    "a backup": ("GET", f"/api/backup/status/{RUN_ID}"),
    "a load test": ("GET", f"/api/load-test/results/{RUN_ID}"),
    "starting a backup": ("POST", "/api/backup/trigger"),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_dagster_that_cannot_answer_is_a_problem_and_does_not_know_of_nothing(
    volume_host: HostUnderTest, question: tuple[str, str]
) -> None:
    method, path = question
    with answering(volume_host, data(runsOrError=UNABLE)) as api:
        sent = {} if method == "POST" else None
        answer = api.client().request(method, path, json=sent)

    assert answer.status_code == 503
    assert "ONYX_DAGSTER_URL" in answer.json()["remedy"]


@pytest.mark.parametrize(
    "body",
    [
        *NOTHING_OF_THE_KIND,
        data(runsOrError=None),
        data(runsOrError={}),
        data(runsOrError={"__typename": "Runs", "results": None}),
        data(runsOrError={"__typename": "Runs", "results": [{}]}),
    ],
)
def test_the_run_of_a_dagster_that_is_none_is_a_problem(
    volume_host: HostUnderTest, body: bytes
) -> None:
    with answering(volume_host, body) as api:
        answer = api.client().get(f"/api/runs/{RUN_ID}")

    assert answer.status_code == 503
    assert "ONYX_DAGSTER_URL" in answer.json()["remedy"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"<html>", b"[]", b'{"data":null}'),
        data(launchRun=None),
        data(launchRun={}),
        data(launchRun={"__typename": "LaunchRunSuccess"}),
        data(launchRun={"__typename": "LaunchRunSuccess", "run": {}}),
    ],
)
def test_a_launch_that_was_answered_with_nonsense_says_what_may_be_left(
    volume_host: HostUnderTest, body: bytes
) -> None:
    job = {"name": "onyx", "location": {"name": "onyx"}, "jobs": [{"name": "nightly_backup"}]}
    nothing_runs = data(runsOrError={"__typename": "Runs", "results": []})
    has_the_job = data(
        repositoriesOrError={"__typename": "RepositoryConnection", "nodes": [job]},
    )
    with answering(volume_host, nothing_runs, has_the_job, body) as api:
        answer = api.client().post("/api/backup/trigger", json={})

    assert answer.status_code == 503
    assert "Whether it was launched is not known" in answer.json()["detail"]
    assert answer.json()["may_be_left"]["launch_id"]
