"""What a dump says about its database as such: owner, settings, grants, comment. pg_restore only
restores that together with creating the database under its old name, so it is taken out here."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg import sql

from onyx_pipelines.host.processes import text_of
from onyx_pipelines.restore.postgres.globals_script import NAME, plain, statements
from onyx_pipelines.sources.postgres.binaries import Binaries

_TIMEOUT_S: Final = 300.0
# A dump is in the encoding of its database (see `inside.py`).
_AS_BYTES: Final = "surrogateescape"
# A dump holds one database, so whatever is said of one is said of it; names are not written alike
# in all of these.
_ABOUT_DATABASE = re.compile(
    r"\d+; \d+ \d+ (?:DATABASE PROPERTIES - |(?:ACL|COMMENT|SECURITY LABEL) - DATABASE )"
)
_GRANTS = re.compile(r"\d+; \d+ \d+ (?:ACL|DEFAULT ACL) ")
_LAST = re.compile(r"\d+; \d+ \d+ (?:(?:COMMENT .*)?(?:EVENT )?TRIGGER|MATERIALIZED VIEW DATA) ")
_ITSELF = re.compile(r"\d+; \d+ \d+ DATABASE - ")
_STATEMENT = re.compile(
    r"ALTER DATABASE |ALTER ROLE .* IN DATABASE |GRANT |REVOKE |COMMENT ON DATABASE "
    r"|SECURITY LABEL .* ON DATABASE |(?:RE)?SET SESSION AUTHORIZATION",
    re.DOTALL,
)
_SETTING = re.compile(
    rf"ALTER (?:DATABASE {NAME}|ROLE (?P<role>{NAME}) IN DATABASE {NAME}) SET (?P<name>{NAME}) TO ",
)


@dataclass(frozen=True)
class Setting:
    """One setting of the database, or of a role in it, and the statement that makes it."""

    name: str
    role: str | None
    statement: str


@dataclass(frozen=True)
class DatabaseStatements:
    """What is said of a database, worded for one name. `others` in their order."""

    settings: tuple[Setting, ...]
    others: tuple[str, ...]
    comment: str | None


def read_statements(
    dump: Path, binaries: Binaries, *, database: str, name: str, owner: str
) -> DatabaseStatements:
    """What the dump says of `database`, worded for the name that it gets.

    Args:
        dump: in PostgreSQL's custom format.
        owner: empty: as the dump says.

    Raises:
        ProgramError: pg_restore cannot read it.
    """
    program = binaries.path("pg_restore")
    listing = _entries(dump, binaries, "--create")
    if not owner.isascii():
        # As the dump writes it, like all that is said of the database.
        owner = ""
    owner = owner or _owner(listing, database)
    entries = [line for line in listing if _ABOUT_DATABASE.match(line)]
    found: list[str] = []
    if entries:
        with list_option("\n".join(entries)) as option:
            script = text_of(
                [program, "--create", option, "--file=-", dump],
                timeout_s=_TIMEOUT_S,
                undecodable=_AS_BYTES,
            )
        found = [renamed(statement, database, name) for statement in statements_of(script)]
    return _sorted_out(found, name, owner)


def _sorted_out(found: list[str], name: str, owner: str) -> DatabaseStatements:
    comments = [each for each in found if each.startswith("COMMENT ON DATABASE ")]
    settings = [setting for each in found if (setting := _setting(each))]
    made = {setting.statement for setting in settings}
    others = [each for each in found if each not in comments and each not in made]
    if owner:
        # First: what was granted is granted by its owner.
        quoted = owner.replace('"', '""')
        others.insert(0, f'ALTER DATABASE {sql.Identifier(name).as_string()} OWNER TO "{quoted}"')
    return DatabaseStatements(tuple(settings), tuple(others), comments[-1] if comments else None)


def _setting(statement: str) -> Setting | None:
    found = _SETTING.match(statement)
    if found is None:
        return None
    role = plain(found["role"]) if found["role"] else None
    return Setting(plain(found["name"]), role, statement)


def statements_of(script: str) -> list[str]:
    """The statements about a database, without their semicolons; texts may hold line breaks."""
    return [
        statement.rstrip("\n").removesuffix(";")
        for statement in statements(script)
        if _STATEMENT.match(statement)
    ]


def renamed(statement: str, database: str, final_name: str) -> str:
    """The statement about `database` said of `final_name`."""
    if database == final_name:
        return statement
    quoted = sql.Identifier(database).as_string()
    names = "|".join(re.escape(name) for name in (quoted, database))
    new = sql.Identifier(final_name).as_string()
    return re.sub(rf"\bDATABASE (?:{names})(?=\s)", lambda _: f"DATABASE {new}", statement, count=1)


@dataclass(frozen=True)
class EntryLists:
    """Lists for pg_restore of what is restored before the rows, of the rows, of what comes after
    them (indexes, keys), and of what comes last. Empty: there is nothing.

    Last are triggers, since that of a partition needs its table's, which pg_restore with several
    jobs does not know; all grants, since an owner may need a right to build an index that others
    were deprived of later; and what they let the owners of materialized views read."""

    before: str
    rows: str
    after: str
    last: str


def entry_lists(
    contents: Path,
    binaries: Binaries,
    *,
    with_grants: bool,
    leaves_out: Callable[[str], bool] = lambda _: False,
) -> EntryLists:
    """Everything in a dump's contents but for the lines that are left out."""
    sections = [
        [line for line in _entries(contents, binaries, f"--section={name}") if not leaves_out(line)]
        for name in ("pre-data", "data", "post-data")
    ]
    before, rows, after = (
        [line for line in section if not (_GRANTS.match(line) or _LAST.match(line))]
        for section in sections
    )
    last = [
        line
        for section in sections
        for line in section
        if _LAST.match(line) or (with_grants and _GRANTS.match(line))
    ]
    return EntryLists(*map("\n".join, (before, rows, after, last)))


@contextmanager
def list_option(entries: str) -> Iterator[str]:
    """The one for pg_restore that restores these entries alone."""
    with tempfile.NamedTemporaryFile("w", suffix=".list", encoding="utf-8") as file:
        file.write(f"{entries}\n")
        file.flush()
        yield f"--use-list={file.name}"


def entries_where(contents: Path, binaries: Binaries, is_wanted: Callable[[str], bool]) -> str:
    return "\n".join(line for line in _entries(contents, binaries) if is_wanted(line))


def _entries(contents: Path, binaries: Binaries, *options: str) -> list[str]:
    """Not splitlines(): names may hold what Unicode calls a line break."""
    command: list[str | Path] = [binaries.path("pg_restore"), "--list", *options, contents]
    lines = text_of(command, timeout_s=_TIMEOUT_S).split("\n")
    return [line for line in lines if line and not line.startswith(";")]


def _owner(listing: list[str], database: str) -> str:
    line = next((line for line in listing if _ITSELF.match(line)), "")
    return line.partition(f"DATABASE - {database} ")[2]
