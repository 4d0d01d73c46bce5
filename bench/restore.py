"""A restore of a database against plain pg_restore; its memory; the drill of a sandbox's set."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from bench.peak_memory import peak_bytes
from bench.sealed import back_up, new_keys, open_again
from bench.table import Line, say
from bench.timing import medians, quiet_disk, shell
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import Work
from onyx_pipelines.restore.journal import RestoreJournal, request_digest
from onyx_pipelines.restore.postgres.restoring import restoration
from onyx_pipelines.restore.results import Step, StepClock, StepTiming
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sandbox.sample_postgres import load_sample_databases
from onyx_pipelines.sources.postgres import PostgresSource
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines.sources.postgres.target import PostgresTarget
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.stores import LocalStore

SIZE = 40.0
NAME = "restored"
MEMORY_LIMIT_MB = 300.0


def run(directory: Path) -> list[Line]:
    """About 800 MB into the same server as the peer, in turns."""
    with PostgresServer(directory / "postgres") as server:
        say("loading about 800 MB …")
        load_sample_databases(server, size=SIZE)
        target = PostgresTarget(server.host, server.port, server.user, SecretStr(server.password))
        binaries = find_binaries(0, programs=("pg_dump", "pg_restore"))
        environment = target.environment("onyx")
        dump = directory / "plain.dump"
        shell(f"{binaries.path('pg_dump')} -Fc -Z0 -f {dump}", environment)
        for folder in ("state", "scratch", "store"):
            (directory / folder).mkdir()
        store = LocalStore(directory / "store", name="local")
        source = PostgresSource(target, databases=("onyx",), with_globals=False)
        keys = new_keys(directory, directory / "key.json")
        backup_id = back_up(source, store, keys).backup_id
        timings: list[tuple[StepTiming, ...]] = []

        def ours() -> float:
            _drop(server)
            begun = quiet_disk()
            timings.append(_restore(directory, server, backup_id))
            return time.monotonic() - begun

        def plain() -> float:
            _drop(server)
            begun = quiet_disk()
            shell(
                f"createdb -T template0 {NAME}"
                f" && {binaries.path('pg_restore')} -j2 -d {NAME} {dump}",
                environment,
            )
            return time.monotonic() - begun

        seconds = medians({"ours": ours, "pg_restore -j2": plain})
        _drop(server)
        command = [sys.executable, "-m", "bench.restore", str(directory), backup_id]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    detail = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
    return [
        Line(
            "restore / pg_restore -j2",
            seconds["ours"] / seconds["pg_restore -j2"],
            1.15,
            "x",
            f"{detail}; ours: {_parts(timings[-1])}",
        ),
        Line("peak memory, restore", float(output) / 1e6, MEMORY_LIMIT_MB, "MB", "800 MB database"),
    ]


def _restore(directory: Path, server: PostgresServer, backup_id: str) -> tuple[StepTiming, ...]:
    clock = StepClock()
    store = LocalStore(directory / "store", name="local")
    asked = request_digest(backup_id, directory)
    journal = RestoreJournal.open(directory / "state", backup_id, asked, datetime.now(UTC))
    settings = load_settings(
        {
            "state_dir": directory / "state",
            "pg_host": server.host,
            "pg_port": server.port,
            "pg_user": server.user,
            "pg_password": server.password,
        }
    )
    objects = open_again(store, backup_id, directory / "key.json")
    scratch = directory / "scratch"
    work = Work(Component.POSTGRESQL, objects, clock, scratch, settings, silent)
    choice = RestoreChoice(into=NAME, with_globals=False)
    result = restoration(objects, choice, settings).restore(work, journal)
    journal.close()
    if result.verdict is not Verdict.PASSED:
        raise SystemExit(f"the restore did not pass: {result.problems()}")
    return clock.timings()


def _drop(server: PostgresServer) -> None:
    with server.connect() as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        connection.execute("CHECKPOINT")


def _parts(timings: Iterable[StepTiming]) -> str:
    spent = {step: sum(t.duration_s for t in timings if t.step is step) for step in Step}
    return ", ".join(f"{step.value} {value:.1f} s" for step, value in spent.items())


if __name__ == "__main__":
    _restore(Path(sys.argv[1]), PostgresServer.attach(Path(sys.argv[1]) / "postgres"), sys.argv[2])
    sys.stdout.write(str(peak_bytes()))
