"""A real Docker engine for a test, with containers and volumes of its own; and one with trouble."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from onyx_pipelines_tests.docker_engine import engine_host
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.troubled_engine import Trouble, troubled_engine


@pytest.fixture
def docker() -> Iterator[DockerWorld]:
    """What the test makes has a prefix of its own, and goes with the test."""
    with closing(DockerWorld(engine_host(), f"onyx-test-{secrets.token_hex(4)}-")) as world:
        yield world


@dataclass(frozen=True)
class Troubled:
    """The engine of `docker` behind an address at which it has trouble."""

    trouble: Trouble
    host: str


@pytest.fixture
def troubled(docker: DockerWorld) -> Iterator[Troubled]:
    with troubled_engine(docker.host, docker.prefix) as (trouble, host):
        yield Troubled(trouble, host)
