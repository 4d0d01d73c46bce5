"""One Bugsink per session of tests, for all workers; each test sends to a project of its own."""

from __future__ import annotations

import atexit
import warnings
from functools import cache
from typing import Any

import httpx
import pytest

from onyx_pipelines.sandbox.errors.bugsink_server import BugsinkServer
from onyx_pipelines_tests.application_environments import CACHE, environment_of, is_to_be_had
from onyx_pipelines_tests.lifetime import one_at_a_time, session_directory


@pytest.fixture(scope="session")
def bugsink() -> BugsinkServer:
    """Read it, or send to a project that nobody else has: `new_project`."""
    if not is_to_be_had("bugsink"):
        pytest.skip("Bugsink is not installed and ONYX_TEST_APPLICATIONS is not set")
    environment_of("bugsink")
    server = _server()
    # It outlives this worker, which may be its parent.
    atexit.register(warnings.simplefilter, "ignore", ResourceWarning)
    with one_at_a_time("bugsink"):
        server.start()
    return server


def stop_bugsink() -> None:
    """Fine if no test has wanted it."""
    _server().stop()


def ask(bugsink: BugsinkServer, path: str, **parameters: str) -> Any:
    """Of its own API: what a GET answers."""
    with _api(bugsink) as api:
        return api.get(path, params=parameters).raise_for_status().json()


def act(bugsink: BugsinkServer, path: str, **body: str) -> None:
    """A POST to its own API, as `issues/…/resolve/`."""
    with _api(bugsink) as api:
        api.post(path, json=body).raise_for_status()


def new_project(bugsink: BugsinkServer, name: str) -> str:
    """Its DSN; the project's number is its last part."""
    (team,) = ask(bugsink, "teams/")["results"]
    act(bugsink, "projects/", team=team["id"], name=name)
    (dsn,) = (each["dsn"] for each in ask(bugsink, "projects/")["results"] if each["name"] == name)
    return str(dsn)


def _api(bugsink: BugsinkServer) -> httpx.Client:
    return httpx.Client(
        base_url=f"{bugsink.url}/api/canonical/0/",
        headers={"Authorization": f"Bearer {bugsink.access.token}"},
        trust_env=False,
        timeout=30,
    )


@cache
def _server() -> BugsinkServer:
    """Kept: it is the parent of what it started."""
    return BugsinkServer(session_directory() / "bugsink", CACHE / "bugsink")
