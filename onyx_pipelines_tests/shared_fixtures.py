"""Fixtures that any test may ask for, and the end of what stands behind them.

A plugin of its own: pytest's controller, which only hands tests out, does without the two seconds
that loading it takes.
"""

from __future__ import annotations

from onyx_pipelines_tests.docker_engine import stop_engine
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
from onyx_pipelines_tests.two_stacks import two_stacks

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


def pytest_unconfigure() -> None:
    """Of each process that ran tests."""
    stop_forking()


def stop_servers() -> None:
    """Of the whole session."""
    stop_sandbox()
    stop_bugsink()
    stop_engine()
