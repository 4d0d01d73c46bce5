"""The PostgreSQL component against restic and against plain pg_dump."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import SecretStr

from bench.sealed import back_up, new_keys
from bench.table import Line, say
from bench.timing import emptied, medians, need, quiet_disk, shell
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sandbox.sample_postgres import load_sample_databases
from onyx_pipelines.sources.postgres import PostgresSource
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines.sources.postgres.target import PostgresTarget
from onyx_pipelines.vault.stores import LocalStore

SIZE = 40.0
ROUNDS = 5


def _settle(target: PostgresTarget) -> None:
    """What a server does in the background after a load would take a core from some of the runs."""
    with target.connect("onyx") as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def run(directory: Path) -> list[Line]:
    """About 800 MB of mixed text; every run ends with its data synced to disk."""
    need("restic")
    with PostgresServer(directory / "postgres") as server:
        say("loading about 800 MB …")
        load_sample_databases(server, size=SIZE)
        target = PostgresTarget(server.host, server.port, server.user, SecretStr(server.password))
        _settle(target)
        dump = find_binaries(0).path("pg_dump")
        environment = {
            **target.environment("onyx"),
            "RESTIC_PASSWORD": "bench",
            "RESTIC_REPOSITORY": str(directory / "restic"),
            "RESTIC_CACHE_DIR": str(directory / "restic-cache"),
        }
        store_dir, keys = directory / "store", new_keys(directory)
        # One database and no globals, as the peers do it.
        source = PostgresSource(target, databases=("onyx",), with_globals=False)

        def ours() -> float:
            store = LocalStore(emptied(store_dir), name="local")
            begun = quiet_disk()
            back_up(source, store, keys)
            return time.monotonic() - begun

        def restic() -> float:
            emptied(directory / "restic")
            shell("restic init -q", environment)
            begun = quiet_disk()
            shell(
                f"{dump} -Fc -Z0 | restic backup -q --stdin --stdin-filename onyx.dump"
                " && sync -f $RESTIC_REPOSITORY",
                environment,
            )
            return time.monotonic() - begun

        plain = directory / "plain.dump"
        # The slow one is not in the turns: it would take most of the time.
        seconds = medians(
            {
                "floor: pg_dump -Fc -Z0 > /dev/null": lambda: shell(
                    f"{dump} -Fc -Z0 > /dev/null", environment
                ),
                "ours": ours,
                "pg_dump -Fc -Z0 | restic": restic,
            },
            rounds=ROUNDS,
        ) | medians(
            {"pg_dump -Fc": lambda: shell(f"{dump} -Fc > {plain} && sync -f {plain}", environment)},
            rounds=1,
        )
    mine = seconds["ours"]
    detail = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
    return [
        Line("PostgreSQL / restic", mine / seconds["pg_dump -Fc -Z0 | restic"], 0.5, "x", detail),
        Line("PostgreSQL / pg_dump -Fc", mine / seconds["pg_dump -Fc"], 0.35, "x", "same run"),
    ]
