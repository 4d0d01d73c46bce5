"""For every test: nothing of the developer's own configuration leaks in, and one shared sandbox."""

from __future__ import annotations

import gc
import os
import re
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from onyx_pipelines_tests.docker_engine import stop_engine
from onyx_pipelines_tests.examples import NIGHTLY
from onyx_pipelines_tests.fixtures_bugsink import bugsink, stop_bugsink
from onyx_pipelines_tests.fixtures_docker import docker, troubled
from onyx_pipelines_tests.fixtures_sandbox import (
    backup_host,
    sandbox,
    sandbox_alone,
    stop_sandbox,
    volume_host,
)
from onyx_pipelines_tests.forked_command import stop_forking
from onyx_pipelines_tests.lifetime import begin_session, end_session
from onyx_pipelines_tests.servers_of_tests import needs_a_server, starts_servers
from onyx_pipelines_tests.two_stacks import two_stacks

if TYPE_CHECKING:
    import dagster as dg

__all__ = [
    "backup_host",
    "bugsink",
    "docker",
    "sandbox",
    "sandbox_alone",
    "troubled",
    "two_stacks",
    "volume_host",
]

# How long an example takes says how busy the machine is.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(NIGHTLY, parent=settings.get_profile("any machine"))
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job ignores it; Dagster then ignores SIGTERM too, and both would be
        # inherited by every process that a test starts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    begin_session(config)
    # Dagster's own code for a resource inside a resource reads what Dagster has deprecated.
    config.addinivalue_line(
        "filterwarnings", "ignore:InitResourceContext.dagster_run:DeprecationWarning"
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Also after Ctrl-C; after `kill -9` the session's guard does it alone."""
    stop_forking()
    if not hasattr(config, "workerinput"):
        stop_sandbox()
        stop_bugsink()
        stop_engine()
        end_session(config)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files of whose tests none is asked for: to import them takes longer than what is."""
    asked_for = config.option.markexpr
    if not collection_path.name.startswith("test_"):
        return None
    text = collection_path.read_text(encoding="utf-8")
    if asked_for == "measures":
        return "pytest.mark.measures" not in text or None
    if asked_for.startswith("not (servers or slow"):
        is_slow = re.search(r"^pytestmark = .*\bslow\b", text, re.MULTILINE) is not None
        return is_slow or starts_servers(collection_path) or None
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark who needs a server. Files with slow tests first: what is left for the end is small, and
    both cores have some."""
    for item in items:
        if needs_a_server(item):
            item.add_marker("servers")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection() -> None:
    """What is loaded stays: the collector need not look through it again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What was captured may hold names that are no UTF-8, which a worker cannot send."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode())
        for title, text in report.sections
    ]
    return report


@pytest.fixture
def hangups_end() -> Iterator[None]:
    """What a test starts is ended by SIGHUP, though the tests themselves may run under nohup."""
    usual = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, usual)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_the_shell() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("ONYX_", "DAGSTER_")):
                patch.delenv(name)
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        patch.setenv("PYTHONPATH", str(Path(__file__).parent / "quicker_start"), prepend=os.pathsep)
        # Not the developer's own engine.
        patch.setenv("ONYX_DOCKER_HOST", "")
        yield


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's, without files."""
    import dagster as dg

    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
