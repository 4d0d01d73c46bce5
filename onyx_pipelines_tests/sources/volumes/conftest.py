"""A Docker engine for the tests: the stand-in, and a real one too if DOCKER_TEST_HOST is set."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from onyx_pipelines_tests.sources.volumes.docker_standin import DockerStandin, served_standin
from onyx_pipelines_tests.sources.volumes.docker_world import DockerWorld

_HOSTS = ["stand-in", *filter(None, [os.environ.get("DOCKER_TEST_HOST")])]


@pytest.fixture(params=_HOSTS)
def docker(request: pytest.FixtureRequest) -> Iterator[DockerWorld]:
    prefix = f"onyx-test-{secrets.token_hex(4)}-"
    if request.param != "stand-in":
        world = DockerWorld(request.param, prefix, needs_image=True)
        yield world
        world.close()
        return
    with served_standin() as (_, host):
        world = DockerWorld(host, prefix, needs_image=False)
        yield world
        world.close()


@pytest.fixture
def standin() -> Iterator[tuple[DockerStandin, DockerWorld]]:
    """For faults that a healthy engine does not show."""
    with served_standin() as (engine, host):
        world = DockerWorld(host, "", needs_image=False)
        yield engine, world
        world.close()
