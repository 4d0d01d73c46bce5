"""For every test: nothing of the developer's own configuration leaks in, and one shared sandbox."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from onyx_pipelines_tests.examples import NIGHTLY
from onyx_pipelines_tests.lifetime import begin_session, end_session, session_directory
from onyx_pipelines_tests.servers_of_tests import needs_a_server
from onyx_pipelines_tests.wanted_files import is_unwanted

if TYPE_CHECKING:
    import dagster as dg

# How long an example takes says how busy the machine is.
settings.register_profile(
    "any machine",
    deadline=None,
    # Each push draws others.
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(NIGHTLY, parent=settings.get_profile("any machine"), max_examples=1000)
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell's background job ignores it; Dagster then ignores SIGTERM too, and both would be
        # inherited by every process that a test starts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    begin_session(config)
    if not _only_hands_out(config):
        config.pluginmanager.import_plugin("onyx_pipelines_tests.shared_fixtures")
    # Dagster's own code for a resource inside a resource reads what Dagster has deprecated.
    config.addinivalue_line(
        "filterwarnings", "ignore:InitResourceContext.dagster_run:DeprecationWarning"
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Also after Ctrl-C; after `kill -9` the session's guard does it alone."""
    if not hasattr(config, "workerinput"):
        if any((session_directory() / name).exists() for name in ("sandbox", "bugsink", "docker")):
            from onyx_pipelines_tests.shared_fixtures import stop_servers

            stop_servers()
        end_session(config)


def _only_hands_out(config: pytest.Config) -> bool:
    """It is pytest-xdist's controller."""
    is_distributed = config.getoption("dist", "no") != "no" and bool(config.getoption("tx", None))
    is_worker = hasattr(config, "workerinput")
    return is_distributed and not is_worker and not config.option.collectonly


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """None: as pytest has it."""
    is_of_tests = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return (is_of_tests and is_unwanted(collection_path, config.option.markexpr)) or None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """None: as pytest-xdist has it."""
    if config.getoption("dist") != "loadfile":
        return None
    from onyx_pipelines_tests.sharing_workers import ByServer

    return ByServer(config, log)


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
