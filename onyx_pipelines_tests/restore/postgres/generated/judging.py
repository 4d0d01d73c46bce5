"""Databases backed up, drilled and restored elsewhere: is what was said of them true?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines_tests.fixtures_postgres import target_of
from onyx_pipelines_tests.restore.postgres.foreign import drilled, make_sets, problems
from onyx_pipelines_tests.restore.postgres.generated.databases import MadeDatabase
from onyx_pipelines_tests.restore.postgres.plain_comparison import (
    Description,
    copy_plainly,
    describe,
    describe_roles,
    differences,
    mapping_differences,
)


@dataclass(frozen=True)
class Move:
    """From where to where. `dumping`: programs of the source's version, as a backup uses them.
    `programs`: those of the newer of both."""

    source: PostgresServer
    target: PostgresServer
    dumping: Binaries
    programs: Binaries


def make(server: PostgresServer, name: str, made: MadeDatabase) -> list[str]:
    """Create and fill it; gives what PostgreSQL refused, and why."""
    quoted = sql.Identifier(name).as_string()
    refused = []
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {quoted} TEMPLATE template0 {made.options}".encode())
    with server.connect(name) as connection:
        for statement in (*made.statements, *(s.format(quoted) for s in made.of_the_database)):
            try:
                connection.execute(statement.encode("utf-8"))
            except psycopg.OperationalError:
                raise
            except psycopg.Error as error:
                refused.append(f"{error}: {statement}")
    return refused


def wrong_verdicts(
    move: Move, databases: Sequence[str], root: Path, roles: str
) -> dict[str, list[str]]:
    """What the drill or the restore said of each of these databases, and of the roles whose names
    match, that PostgreSQL's own tools do not bear out; those of which all is true are left out."""
    before = {name: describe(move.source, name, move.programs) for name in databases}
    sets = make_sets(root, move.source)
    objects = sets.of(*databases, with_globals=True)
    drill = drilled(sets, objects, pg_bindir=move.programs.bindir)
    restored = sets.restore(objects, target=target_of(move.target), with_globals=True)
    found = {
        "roles": [
            *(f"the drill: {finding}" for finding in problems(drill, "globals")),
            *mapping_differences(
                describe_roles(move.source, roles), describe_roles(move.target, roles)
            ),
        ]
    }
    for name in databases:
        found[name] = list(_judged(move, name, before[name], drill, restored))
    return {name: wrong for name, wrong in found.items() if wrong}


def _judged(
    move: Move,
    name: str,
    before: Description,
    drill: ComponentResult,
    restored: ComponentResult,
) -> Iterator[str]:
    with _plain_copy(move, name) as (copy, complaint):
        said = problems(drill, name)
        if said:
            if not complaint:
                yield f"the drill: {said}; but pg_dump and psql bring it back"
            return
        if problems(restored, name):
            yield f"the drill passed, and the restore: {problems(restored, name)}"
            return
        after = describe(move.target, name, move.programs)
        yield from (f"passed; but {each}" for each in differences(before, after, copy))


@contextmanager
def _plain_copy(move: Move, name: str) -> Iterator[tuple[Description | None, str]]:
    copy = "plain copy"
    with dropped(move.target, copy):
        complaint = copy_plainly(move.source, name, move.target, copy, move.dumping)
        yield (None if complaint else describe(move.target, copy, move.programs)), complaint


@contextmanager
def dropped(server: PostgresServer, *names: str) -> Iterator[None]:
    """These databases, in the end, where they are there."""
    try:
        yield
    finally:
        with server.connect() as connection:
            there = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in there.intersection(names):
            _drop(server, name)


def _drop(server: PostgresServer, name: str) -> None:
    with server.connect(name) as connection:
        connection.execute("SET default_transaction_read_only = off")
        subscriptions = connection.execute(
            "SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid"
            " WHERE datname = current_database()"
        ).fetchall()
        for (subscription,) in subscriptions:
            connection.execute(sql.SQL("DROP SUBSCRIPTION {}").format(sql.Identifier(subscription)))
    with server.connect() as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def made_databases(
    move: Move, made: Mapping[str, MadeDatabase], root: Path, roles: str
) -> dict[str, list[str]]:
    """Make them, judge what is said of them, and drop them."""
    with ExitStack() as stack:
        for server in (move.source, move.target):
            stack.enter_context(dropped(server, *made))
        has_icu = _has_icu(move.source) and _has_icu(move.target)
        for name, database in made.items():
            make(move.source, name, database if has_icu else database.without_icu())
        return wrong_verdicts(move, tuple(made), root, roles)


def _has_icu(server: PostgresServer) -> bool:
    with server.connect() as connection:
        # Others than `unicode`, which from 16 on stands in every catalog.
        query = "SELECT 1 FROM pg_collation WHERE collname LIKE '%-x-icu'"
        return connection.execute(query).fetchone() is not None
