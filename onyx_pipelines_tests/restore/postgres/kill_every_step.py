"""A program: one restore of a database, killed at its first step, then at its second, and so on.

After each kill the database has its old data or its new data, all of it; then the same restore runs
again and must leave the new data and nothing else. Prints how many kills there were.

Arguments: a directory, and that of the server's state.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import psycopg

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines_tests.fixtures_postgres import execute
from onyx_pipelines_tests.restore.killing import at_measured_steps, kill_at_every_step
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets

_OLD = [("old",)] * 3
_NEW = [("new",)] * 2


def main() -> None:
    root = Path(sys.argv[1])
    for folder in ("state", "store", "scratch"):
        (root / folder).mkdir(mode=0o700)
    server = PostgresServer.attach(Path(sys.argv[2]))
    sets = PostgresSets(root, server)
    database = f"test_{secrets.token_hex(6)}"
    execute(server, "postgres", f"CREATE DATABASE {database}")
    execute(
        server,
        database,
        "CREATE TABLE t (body text)",
        "INSERT INTO t SELECT 'new' FROM generate_series(1, 2)",
    )
    before = sets.databases()
    objects = sets.of(database)

    def restore() -> None:
        result = sets.restore(objects)
        assert result.verdict is Verdict.PASSED, result.problems()

    def reset() -> None:
        execute(
            server,
            database,
            "TRUNCATE t",
            "INSERT INTO t SELECT 'old' FROM generate_series(1, 3)",
        )

    def expect(*allowed: list[tuple[str]]) -> None:
        rows = sets.rows(database, "SELECT body FROM t")
        assert rows in allowed, rows

    def restored() -> None:
        expect(_NEW)
        assert sets.databases() == before, sets.databases() - before
        left = [*(root / "scratch").iterdir(), *(root / "state" / "restores").iterdir()]
        assert left == [], left

    kill_at_every_step(
        restore,
        at_measured_steps((psycopg.Connection, "execute")),
        reset=reset,
        killed=lambda: expect(_OLD, _NEW),
        restored=restored,
    )
    execute(server, "postgres", f"DROP DATABASE {database}")


if __name__ == "__main__":
    main()
