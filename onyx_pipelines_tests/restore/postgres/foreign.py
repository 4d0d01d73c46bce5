"""Databases that nobody here designed: scripts of `data/postgres_cases`, run by psql on an empty
cluster that is set up like those out there, not like our own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from onyx_pipelines.restore.postgres.drilling import drill
from onyx_pipelines.restore.results import ComponentResult, Finding
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import find_binaries
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.fixtures_postgres import target_of
from onyx_pipelines_tests.requirements_of_tests import program
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets, work_on

CASES = Path(__file__).parents[2] / "data" / "postgres_cases"


def run_case(
    server: PostgresServer, name: str, *, database: str = "postgres", **variables: str
) -> None:
    """Run a script as the server's superuser."""
    psql(server, f"--file={CASES / name}.sql", database=database, **variables)


def psql(
    server: PostgresServer, *arguments: str, database: str = "postgres", **variables: str
) -> str:
    """What psql prints, unaligned; any error is a failure."""
    command = [
        str(find_binaries(0, programs=("pg_dump", "psql")).path("psql")),
        *("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"),
        *(f"--set={name}={value}" for name, value in {"database": database, **variables}.items()),
        f"--dbname={make_conninfo(dbname=database)}",
        *arguments,
    ]
    result = subprocess.run(
        command,
        env=target_of(server).environment(database),
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def described(server: PostgresServer, database: str) -> set[str]:
    """What pg_dump says of a database, its properties and rows included, without what it says
    anew each time."""
    command = [
        str(find_binaries(0).path("pg_dump")),
        *("--create", "--no-password"),
        f"--dbname={make_conninfo(dbname=database)}",
    ]
    environment = target_of(server).environment(database)
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    lines = {line.rstrip(",") for line in result.stdout.split("\n")}
    return {line for line in lines if not line.startswith(("\\restrict", "\\unrestrict"))}


def make_sets(root: Path, server: PostgresServer) -> PostgresSets:
    """`root`: one that PostgreSQL's own user can enter."""
    for folder in ("state", "store", "scratch"):
        (root / folder).mkdir(parents=True)
    return PostgresSets(root, server)


def drilled(sets: PostgresSets, objects: SetObjects, **settings: Any) -> ComponentResult:
    changed = sets.settings.model_copy(update=settings)
    return drill(work_on(objects, changed))


def problems(result: ComponentResult, item: str) -> list[Finding]:
    return [finding for finding in result.problems() if finding.item == item]


def messages(result: ComponentResult, item: str) -> str:
    """All that was said about a database, also where it passed."""
    return "\n".join(f"{f.message} {f.limits}" for f in result.findings if f.item == item)


def german_locale(directory: Path) -> dict[str, str]:
    """An environment whose programs have de_DE.UTF-8, whatever this host has."""
    localedef = program("localedef")
    directory.mkdir()
    subprocess.run(
        [localedef, "-i", "de_DE", "-f", "UTF-8", str(directory / "de_DE.UTF-8")],
        check=True,
        capture_output=True,
    )
    return {"LOCPATH": str(directory)}


def directory_of_the_server(server: PostgresServer, path: Path) -> Path:
    """An empty directory that belongs to whom the server runs as."""
    path.mkdir(mode=0o700)
    owner = server.data_dir.stat()
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)
    return path
