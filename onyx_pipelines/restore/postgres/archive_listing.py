"""What a dump says about its database as such: owner, settings, grants, comment. pg_restore only
restores that together with creating the database under its old name, so it is taken out here."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from onyx_pipelines.processes import text_of
from onyx_pipelines.sources.postgres.binaries import Binaries

_ENTRY = re.compile(r"\d+; \d+ \d+ (?P<what>.+)")
_TIMEOUT_S = 300.0
_STATEMENT = re.compile(
    r"^(?:ALTER DATABASE |ALTER ROLE .* IN DATABASE |GRANT |REVOKE |COMMENT ON DATABASE )"
)
# Ends with a semicolon that no name and no text holds.
_WHOLE = re.compile(r"""(?:[^"']|"(?:[^"]|"")*+"|'(?:[^']|'')*+')*+(?<=;)""")


@dataclass(frozen=True)
class DatabaseProperties:
    """Statements about the database under the name that was asked for; `comment` is one too."""

    statements: tuple[str, ...]
    comment: str | None


def read_properties(
    dump: Path, binaries: Binaries, database: str, final_name: str
) -> DatabaseProperties:
    """Owner, settings, grants and comment of `database`, worded for `final_name`.

    Args:
        dump: in PostgreSQL's custom format.

    Raises:
        ProgramError: pg_restore cannot read it.
    """
    program = binaries.path("pg_restore")
    # Not splitlines(), here and below: names may hold what Unicode calls a line break.
    listing = text_of([program, "--create", "--list", dump], timeout_s=_TIMEOUT_S).split("\n")
    entries = [line for line in listing if _is_about_database(line, database)]
    owner = next((_owner(line, database) for line in listing if _is_itself(line, database)), "")
    statements: list[str] = []
    if owner:
        statements.append(
            sql.SQL("ALTER DATABASE {} OWNER TO {}")
            .format(sql.Identifier(final_name), sql.Identifier(owner))
            .as_string()
        )
    if entries:
        with tempfile.NamedTemporaryFile("w", suffix=".list", encoding="utf-8") as file:
            file.write("\n".join(entries) + "\n")
            file.flush()
            script = text_of(
                [program, "--create", f"--use-list={file.name}", "--file=-", dump],
                timeout_s=_TIMEOUT_S,
            )
        statements += [
            renamed(statement, database, final_name) for statement in statements_of(script)
        ]
    comments = [each for each in statements if each.startswith("COMMENT ON DATABASE ")]
    return DatabaseProperties(
        tuple(each for each in statements if each not in comments),
        comments[-1] if comments else None,
    )


def statements_of(script: str) -> list[str]:
    """The statements about a database, without their semicolons; texts may hold line breaks."""
    found: list[str] = []
    gathered = ""
    for line in script.split("\n"):
        if not gathered and not _STATEMENT.match(line):
            continue
        gathered = f"{gathered}\n{line}" if gathered else line
        if _WHOLE.fullmatch(gathered):
            found.append(gathered[:-1])
            gathered = ""
    return found


def renamed(statement: str, database: str, final_name: str) -> str:
    """The statement about `database` said of `final_name`."""
    if database == final_name:
        return statement
    quoted = sql.Identifier(database).as_string()
    names = "|".join(re.escape(name) for name in (quoted, database))
    new = sql.Identifier(final_name).as_string()
    return re.sub(rf"\bDATABASE (?:{names})(?=\s)", lambda _: f"DATABASE {new}", statement, count=1)


def _is_about_database(line: str, database: str) -> bool:
    found = _ENTRY.match(line)
    if found is None:
        return False
    return found["what"].startswith(
        (
            f"DATABASE PROPERTIES - {database} ",
            f"ACL - DATABASE {database} ",
            f"ACL - {database} ",
            f"COMMENT - DATABASE {database} ",
        )
    )


def _is_itself(line: str, database: str) -> bool:
    found = _ENTRY.match(line)
    return found is not None and found["what"].startswith(f"DATABASE - {database} ")


def _owner(line: str, database: str) -> str:
    return line.partition(f"DATABASE - {database} ")[2]
