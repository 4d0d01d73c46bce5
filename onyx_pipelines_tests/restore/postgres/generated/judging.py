"""Databases backed up, drilled and restored elsewhere: is what was said of them true?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines_tests.fixtures_postgres import target_of
from onyx_pipelines_tests.restore.postgres.foreign import (
    directory_of_the_server,
    drilled,
    make_sets,
    messages,
    problems,
)
from onyx_pipelines_tests.restore.postgres.generated.databases import MadeDatabase
from onyx_pipelines_tests.restore.postgres.generated.drawing import SPACES
from onyx_pipelines_tests.restore.postgres.plain_comparison import (
    Description,
    copy_plainly,
    describe,
    describe_globals,
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
    move: Move, databases: Sequence[str], root: Path, names: str
) -> dict[str, list[str]]:
    """What the drill or the restore said of each of these databases, and of the roles and
    tablespaces whose names match, that PostgreSQL's own tools do not bear out; those of which all
    is true are left out."""
    there = describe_globals(move.target, names)
    before = {name: describe(move.source, name, move.programs) for name in databases}
    sets = make_sets(root, move.source)
    objects = sets.of(*databases, with_globals=True)
    in_use = directories_of_tablespaces(move.source)
    drill = drilled(sets, objects, pg_bindir=move.programs.bindir)
    touched = directories_of_tablespaces(move.source) != in_use
    restored = sets.restore(objects, target=target_of(move.target), with_globals=True)
    # What the target had before stays as it was.
    as_it_should = {**describe_globals(move.source, names), **there}
    as_it_is = describe_globals(move.target, names)
    for lacking in _said_to_be_missing(restored, as_it_should.keys() - as_it_is.keys()):
        del as_it_should[lacking]
    found = {
        "globals": [
            *(["the drill wrote where a tablespace has its data"] if touched else []),
            *(f"the drill: {finding}" for finding in problems(drill, "globals")),
            *(f"the restore: {finding}" for finding in problems(restored, "globals")),
            *mapping_differences(as_it_should, as_it_is),
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
        if "the server has no tablespace" in messages(restored, name):
            before, after = before.without_places(), after.without_places()
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
    move: Move,
    made: Mapping[str, MadeDatabase],
    said_of_spaces: Sequence[str],
    root: Path,
    names: str,
) -> dict[str, list[str]]:
    """Make them in their tablespaces, judge what is said of them, and drop all."""
    root.mkdir(mode=0o711)
    with ExitStack() as stack:
        for server in (move.source, move.target):
            stack.callback(_drop_tablespaces, server)
            stack.enter_context(dropped(server, *made))
        _make_tablespaces(move, root, said_of_spaces)
        has_icu = _has_icu(move.source) and _has_icu(move.target)
        for name, database in made.items():
            make(move.source, name, database if has_icu else database.without_icu())
        return wrong_verdicts(move, tuple(made), root / "sets", names)


def _make_tablespaces(move: Move, root: Path, said_of_them: Sequence[str]) -> None:
    """The target has all but the last, elsewhere. That one's directory is in use, so the target can
    have it there only if it is of another version."""
    for server, spaces in ((move.source, SPACES), (move.target, SPACES[:-1])):
        for number, space in enumerate(spaces):
            place = root / f"{number} of {'target' if server is move.target else 'source'}"
            location = str(directory_of_the_server(server, place))
            _execute(
                server,
                sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(sql.Identifier(space), location),
            )
    for statement in said_of_them:
        _execute(move.source, statement)


def _drop_tablespaces(server: PostgresServer) -> None:
    for space in _tablespaces(server):
        _execute(server, sql.SQL("DROP TABLESPACE {}").format(sql.Identifier(space)))


def _tablespaces(server: PostgresServer) -> dict[str, str]:
    """Names and locations."""
    with server.connect() as connection:
        return dict(
            connection.execute(
                "SELECT spcname, pg_tablespace_location(oid) FROM pg_tablespace"
                " WHERE spcname !~ '^pg_'"
            ).fetchall()
        )


def directories_of_tablespaces(server: PostgresServer) -> set[Path]:
    """What lies in them: a directory of each version that has data there."""
    return {path for place in _tablespaces(server).values() for path in Path(place).iterdir()}


def _said_to_be_missing(result: ComponentResult, names: Collection[str]) -> list[str]:
    said = messages(result, "globals")
    return [name for name in names if f"{name} could not be made" in said]


def _execute(server: PostgresServer, statement: str | sql.Composed) -> None:
    with server.connect() as connection:
        connection.execute(statement.encode() if isinstance(statement, str) else statement)


def _has_icu(server: PostgresServer) -> bool:
    with server.connect() as connection:
        # Others than `unicode`, which from 16 on stands in every catalog.
        query = "SELECT 1 FROM pg_collation WHERE collname LIKE '%-x-icu'"
        return connection.execute(query).fetchone() is not None
