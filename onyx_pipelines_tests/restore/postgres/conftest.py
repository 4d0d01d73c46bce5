"""Sets of a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines_tests.fixtures_postgres import (
    make_database,
    make_role,
    postgres_server,
    public_dir,
    wheel,
)
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets

__all__ = ["make_database", "make_role", "postgres_server", "public_dir", "sets", "wheel"]


@pytest.fixture
def sets(tmp_path: Path, postgres_server: PostgresServer) -> PostgresSets:
    for folder in ("state", "store", "scratch"):
        (tmp_path / folder).mkdir(mode=0o700)
    return PostgresSets(tmp_path, postgres_server)
