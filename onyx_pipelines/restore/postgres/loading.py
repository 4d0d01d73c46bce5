"""Loads a set's globals and dumps into a server, by PostgreSQL's own programs.

A dump is unsealed while pg_restore reads it, so that none of it lies on a disk. Its table of
contents comes first (custom format) and is kept in memory: schema, indexes and the properties of
the database are restored from that alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from onyx_pipelines.core.progress import Meter
from onyx_pipelines.host.processes import (
    EndedEarlyError,
    InputStream,
    ProgramError,
    input_to,
    output_of,
    text_of,
)
from onyx_pipelines.restore.engine import Work, chosen_of
from onyx_pipelines.restore.postgres.archive_listing import entry_lists, list_option
from onyx_pipelines.restore.results import Step
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.facts import DatabaseFacts, GlobalsFacts
from onyx_pipelines.sources.postgres.rights import may_read_passwords
from onyx_pipelines.sources.postgres.server_facts import read_globals
from onyx_pipelines.sources.postgres.target import OWN_ROLE, PostgresTarget, postgres_errors
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.manifest import ObjectRecord
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines.vault.stores.store import ObjectReader

MAINTENANCE_DATABASE = "postgres"
_CHUNK = 1024 * 1024
_JOBS = 2
# Building an index may print nothing for long.
STALL_TIMEOUT_S = 4 * 3600.0
_SHOWN_ERRORS = 5
# Nobody uses the database yet. What its transactions left unsynced is synced by the one that puts
# it in its place. Settings of the database itself are there already: they must not keep rows out.
FOR_WRITING = "-c default_transaction_read_only=off"
_FOR_LOADING = (
    *("-c synchronous_commit=off", "-c maintenance_work_mem=256MB", "-c default_tablespace="),
    FOR_WRITING,
)
# How amounts of money stand in dumps that say so (facts of version 2).
_OF_DUMP = "-c lc_monetary=C"


@dataclass(frozen=True)
class DatabaseObjects:
    """One database of a set: its dump, and what it was."""

    name: str
    dump: ObjectRecord
    facts: DatabaseFacts


def databases_of(objects: SetObjects, chosen: Sequence[str] = ()) -> list[DatabaseObjects]:
    """Every database of the set, or the chosen ones.

    Raises:
        NotFoundError: a chosen one is not in the set.
    """
    found = [
        DatabaseObjects(
            record.name,
            record,
            DatabaseFacts.model_validate_json(
                objects.facts(Component.POSTGRESQL, f"db-{record.name}")
            ),
        )
        for record in objects.records(Component.POSTGRESQL, prefix="postgresql/", suffix=".dump")
    ]
    return chosen_of(found, chosen, "database")


def globals_of(objects: SetObjects) -> tuple[ObjectRecord, GlobalsFacts] | None:
    """Roles and grants, where the set has them."""
    scripts = objects.records(Component.POSTGRESQL, prefix="postgresql/globals", suffix=".sql")
    if not scripts:
        return None
    facts = objects.facts(Component.POSTGRESQL, "globals")
    return scripts[0], GlobalsFacts.model_validate_json(facts)


def read_script(work: Work, record: ObjectRecord) -> str:
    """The script of roles and grants; a byte that is not UTF-8, as names may have, is a surrogate.

    Raises:
        IntegrityError, NotFoundError: the object is not what the manifest says.
    """
    meter = work.meter(record.name, record.plain_bytes)
    with work.clock.step(Step.FETCH, record.name, plain_bytes=record.plain_bytes):
        script = work.objects.read(record)
    meter.add(len(script))
    meter.finish()
    return script.decode("utf-8", "surrogateescape")


@contextmanager
def session(
    target: PostgresTarget, database: str = MAINTENANCE_DATABASE, *, about: str = ""
) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose errors are told as those of a server.

    Args:
        about: the database that they are said of, if that is another one.

    Raises:
        SourceError: it cannot be made, or is lost inside the block.
    """
    with target.connect(database) as connection, postgres_errors(target, about or database):
        yield connection


def apply_globals(target: PostgresTarget, binaries: Binaries, script: str) -> None:
    """Run the script of roles and grants; what is there already is left as it is."""
    with input_to(
        [binaries.path("psql"), "--no-psqlrc", "--quiet", "--no-password", "--file=-"],
        environment=target.environment(MAINTENANCE_DATABASE),
        stall_timeout_s=STALL_TIMEOUT_S,
        secrets=target.secrets,
    ) as psql:
        psql.write(script.encode("utf-8", "surrogateescape"))
        psql.finish()


def load_dump(
    target: PostgresTarget,
    binaries: Binaries,
    name: str,
    database: DatabaseObjects,
    archive: DumpArchive,
    *,
    with_owners: bool = True,
    with_tablespaces: bool = True,
    leaves_out: Callable[[str], bool] = lambda _: False,
) -> tuple[str, ...]:
    """Restore a dump while it is unsealed; gives what pg_restore complained of, empty if nothing.

    First the schema, then the rows as they come, then what is built over them (indexes, keys), in
    two jobs, and triggers and grants at the very end. `archive` has read its contents.

    Args:
        with_owners: whether owners and grants are restored too, for which the roles must be there.
        leaves_out: whether a line of the dump's contents is not restored.

    Raises:
        SourceError: the server was lost.
        IntegrityError, NotFoundError: the dump is not what the manifest says.
    """
    command: list[str | Path] = [
        *(binaries.path("pg_restore"), "--no-password", f"--dbname={connection_string(name)}"),
        *(() if with_owners else ("--no-owner",)),
        *(() if with_tablespaces else ("--no-tablespaces",)),
    ]
    environment = session_environment(target, name, database.facts)
    lists = entry_lists(archive.contents, binaries, with_grants=with_owners, leaves_out=leaves_out)
    complaints: list[str] = []
    with list_option(lists.before) as option:
        complaints += _complaints_of([*command, option, archive.contents], target, environment)
    try:
        if lists.rows:
            feed(command, lists.rows, archive, target, environment)
        else:
            archive.drain()
    except EndedEarlyError:
        # The last rows of the dump are left out.
        archive.drain()
    except ProgramError as error:
        complaints += _complaints(error)
    with list_option(lists.after) as option:
        complaints += _complaints_of(
            [*command, option, f"--jobs={_JOBS}", archive.contents], target, environment
        )
    with list_option(lists.last) as option:
        complaints += _complaints_of([*command, option, archive.contents], target, environment)
    return tuple(complaints[:_SHOWN_ERRORS])


def feed(
    command: Sequence[str | Path],
    entries: str,
    archive: DumpArchive,
    target: PostgresTarget,
    environment: Mapping[str, str],
) -> None:
    """Let pg_restore take these entries out of the whole dump, while it is unsealed.

    Raises:
        EndedEarlyError: it wants no more of it.
        ProgramError: it complained.
        IntegrityError, NotFoundError: the dump is not what the manifest says.
    """
    with (
        list_option(entries) as option,
        input_to(
            [*command, option],
            environment=environment,
            stall_timeout_s=STALL_TIMEOUT_S,
            secrets=target.secrets,
        ) as restoring,
    ):
        archive.feed(restoring)
        restoring.finish()


def session_environment(target: PostgresTarget, name: str, facts: DatabaseFacts) -> dict[str, str]:
    """For the sessions that load a dump."""
    session = [*_FOR_LOADING, *([_OF_DUMP] if facts.format_version > 1 else [])]
    return target.environment(name, options=" ".join([*session, *_own_role(facts)]))


def looking_environment(target: PostgresTarget, name: str, facts: DatabaseFacts) -> dict[str, str]:
    """For the sessions that look at what was loaded."""
    return target.environment(name, options=" ".join([FOR_WRITING, *_own_role(facts)]))


def _own_role(facts: DatabaseFacts) -> list[str]:
    settings = facts.properties.settings if facts.properties else {}
    return [OWN_ROLE] if "role" in settings else []


def _complaints_of(
    command: Sequence[str | Path], target: PostgresTarget, environment: Mapping[str, str]
) -> tuple[str, ...]:
    try:
        _run(command, target, environment)
    except ProgramError as error:
        return _complaints(error)
    return ()


def _complaints(error: ProgramError) -> tuple[str, ...]:
    lines = [line for line in error.stderr_tail.split("\n") if "error:" in line]
    return tuple(lines[:_SHOWN_ERRORS]) or (error.what,)


def read_restored_globals(target: PostgresTarget, expected: GlobalsFacts) -> GlobalsFacts:
    """With passwords where the set has them and the role may read them."""
    with session(target) as connection:
        with_passwords = expected.with_passwords and may_read_passwords(connection)
        return read_globals(connection, with_passwords=with_passwords)


def available_extensions(target: PostgresTarget) -> frozenset[str]:
    with session(target) as connection:
        rows = connection.execute("SELECT name FROM pg_available_extensions").fetchall()
    return frozenset(name for (name,) in rows)


def _run(
    command: Sequence[str | Path], target: PostgresTarget, environment: Mapping[str, str]
) -> None:
    with output_of(
        command,
        environment=environment,
        stall_timeout_s=STALL_TIMEOUT_S,
        secrets=target.secrets,
    ) as output:
        while output.read():
            pass


def connection_string(database: str) -> str:
    """pg_restore wants a name to restore into; one with `=` would be taken for a whole string."""
    escaped = database.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


_FIRST_BYTES: Final = 256 * 1024
_LIST_TIMEOUT_S: Final = 300.0


class DumpArchive:
    """One dump, from its beginning to its end, once."""

    def __init__(self, reader: ObjectReader, meter: Meter, head: int) -> None:
        self._reader = reader
        self._meter = meter
        self._head = head

    @property
    def contents(self) -> Path:
        """A file for pg_restore with the table of contents, and no more of the data than came with
        it. In memory; for this process and its children."""
        return Path(f"/proc/{os.getpid()}/fd/{self._head}")

    def read_contents(self, binaries: Binaries) -> None:
        """Unseal as much as holds the table of contents, which pg_restore alone can tell.

        Raises:
            IntegrityError, NotFoundError: the object is not what the manifest says.
            ProgramError: there is none in it.
        """
        wanted = _FIRST_BYTES
        while True:
            ended = self._extend(wanted)
            try:
                text_of(
                    [binaries.path("pg_restore"), "--list", self.contents],
                    timeout_s=_LIST_TIMEOUT_S,
                )
            except ProgramError:
                if ended:
                    raise
                wanted *= 4
            else:
                return

    def drain(self) -> None:
        """Unseal the rest for nobody: whether all of it is what the manifest says.

        Raises:
            IntegrityError, NotFoundError: the object is not what the manifest says.
        """
        while data := self._reader.read(_CHUNK):
            self._meter.add(len(data))
        self._meter.finish()

    def feed(self, program: InputStream) -> None:
        """Write all of it, from the beginning; the rest is unsealed on the way.

        Raises:
            IntegrityError, NotFoundError: the object is not what the manifest says.
            ProgramError: the program does not take it.
        """
        os.lseek(self._head, 0, os.SEEK_SET)
        while data := os.read(self._head, _CHUNK):
            program.write(data)
        while data := self._reader.read(_CHUNK):
            self._meter.add(len(data))
            program.write(data)
        self._meter.finish()

    def _extend(self, wanted: int) -> bool:
        """Keep the first `wanted` bytes; true if there are no more."""
        size = os.lseek(self._head, 0, os.SEEK_END)
        while size < wanted:
            data = self._reader.read(wanted - size)
            if not data:
                return True
            self._meter.add(len(data))
            with os.fdopen(os.dup(self._head), "ab", buffering=0) as file:
                size += file.write(data)
        return False


@contextmanager
def open_dump(work: Work, record: ObjectRecord) -> Iterator[DumpArchive]:
    """A dump of a set, unsealed while it is read; its table of contents lies in memory."""
    head = os.memfd_create("onyx-dump-contents")
    try:
        with work.objects.open(record) as reader:
            yield DumpArchive(reader, work.meter(record.name, record.plain_bytes), head)
    finally:
        os.close(head)
