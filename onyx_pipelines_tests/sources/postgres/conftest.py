"""The session's PostgreSQL, for every test of this folder."""

from __future__ import annotations

from onyx_pipelines_tests.fixtures_postgres import (
    make_database,
    make_role,
    postgres_server,
    public_dir,
    wheel,
)

__all__ = ["make_database", "make_role", "postgres_server", "public_dir", "wheel"]
