"""The script of roles and grants, taken apart into whole statements and changed for the server that
it is run on. Pure."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Iterator

from psycopg import sql

# A name as these programs write it, and what ends one.
NAME = r'(?:"(?:[^"]|"")+"|[^\s";]+)'
# Ends with a semicolon that no name and no text holds.
_WHOLE = re.compile(r"""(?:[^"']|"(?:[^"]|"")*+"|'(?:[^']|'')*+')*+(?<=;)""")
_OF_ROLE = re.compile(rf"(?:CREATE|ALTER|COMMENT ON) ROLE (?!ALL )(?P<name>{NAME})(?=[\s;])")
_OF_ALL = re.compile(rf"ALTER ROLE ALL SET (?P<name>{NAME}(?:\.{NAME})*) TO ")
_OF_ONE = re.compile(rf"ALTER ROLE (?P<role>{NAME}) SET (?P<name>{NAME}) TO ")
_ENCODING = re.compile(r"SET client_encoding = '(\w+)';")
_TABLESPACE = re.compile(rf"CREATE TABLESPACE (?P<name>{NAME}) OWNER {NAME} LOCATION (?=')")
_OF_TABLESPACE = re.compile(
    rf"(?:(?:CREATE|ALTER|COMMENT ON)|(?:GRANT|REVOKE) [A-Z ,]+ ON|SECURITY LABEL FOR {NAME} ON)"
    rf" TABLESPACE (?P<name>{NAME})(?=[\s;])"
)
_GRANTED_BY = re.compile(rf"(?P<grant>GRANT .*) GRANTED BY (?P<name>{NAME});\n?", re.DOTALL)


def without_existing(
    script: str,
    *,
    roles: Collection[str],
    tablespaces: Collection[str] = (),
    settings_of_all: Collection[str] = (),
) -> str:
    """What is left to be run where these roles and tablespaces exist: a restore must not change the
    password of a role that others use. Memberships stay: to grant one twice is no change. Neither
    does it change what is set for all roles there, nor who may use a tablespace."""
    return "".join(
        statement
        for statement in statements(script)
        if not (_is_of(_OF_ROLE, statement, roles) or _is_of(_OF_ALL, statement, settings_of_all))
        and not _is_of(_OF_TABLESPACE, statement, tablespaces)
    )


def with_tablespaces_in(script: str, directory: Callable[[str], str]) -> str:
    """With each tablespace in a directory of its own: where the script says is where production
    has its data."""
    return "".join(_relocated(statement, directory) for statement in statements(script))


def granted_by_nobody(script: str, role: str) -> str:
    """Without the role as a grantor of memberships: the first superuser of a cluster, which another
    cluster calls otherwise, grants whatever another one may not."""
    return "".join(
        f"{found['grant']};\n"
        if (found := _GRANTED_BY.fullmatch(statement)) and plain(found["name"]) == role
        else statement
        for statement in statements(script)
    )


def roles_in(script: str) -> frozenset[str]:
    """Names of the roles that the script creates."""
    found = (_OF_ROLE.match(statement) for statement in statements(script))
    return frozenset(plain(each["name"]) for each in found if each and each[0].startswith("CREATE"))


def _relocated(statement: str, directory: Callable[[str], str]) -> str:
    found = _TABLESPACE.match(statement)
    if found is None:
        return statement
    place = sql.Literal(directory(plain(found["name"]))).as_string()
    return f"{found[0]}{place};\n"


def _is_of(pattern: re.Pattern[str], statement: str, names: Collection[str]) -> bool:
    found = pattern.match(statement)
    return found is not None and plain(found["name"]) in names


def statements(script: str) -> Iterator[str]:
    """Each with its line break; comments, empty lines and commands of psql stand for themselves."""
    gathered = ""
    # Not splitlines(): names and texts may hold what Unicode calls a line break.
    for line in io.StringIO(script, newline="\n"):
        if not gathered and (line.startswith(("--", "\\")) or not line.strip()):
            yield line
            continue
        gathered += line
        if _WHOLE.fullmatch(gathered.removesuffix("\n")):
            yield gathered
            gathered = ""
    if gathered:
        yield gathered


def settings_in(script: str) -> Iterator[tuple[str, str, str]]:
    """Of what it sets for a role, or for all (then the role is empty): the role, the parameter, and
    the statement."""
    for statement in statements(script):
        if found := _OF_ALL.match(statement):
            yield "", plain(found["name"]), statement
        elif found := _OF_ONE.match(statement):
            yield plain(found["role"]), plain(found["name"]), statement


def encoding_of(script: str) -> str:
    """In which its texts are."""
    found = (_ENCODING.match(statement) for statement in statements(script))
    return next((each[1] for each in found if each), "UTF8")


def plain(name: str) -> str:
    """A name as it is, of one as it is written; parts of one may be quoted."""
    return "".join(
        part[1:-1].replace('""', '"') if part.startswith('"') else part
        for part in re.findall(NAME, name)
    )
