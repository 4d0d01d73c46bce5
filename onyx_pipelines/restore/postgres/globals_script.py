"""The script of roles and grants without what the server has already: a restore must not change the
password of a role that others use. Pure."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator

_OF_ROLE = re.compile(
    r'^(?:CREATE|ALTER|COMMENT ON) ROLE (?P<name>"(?:[^"]|"")+"|[^\s";]+)(?=[\s;])'
)
_TABLESPACE = re.compile(r'^CREATE TABLESPACE (?P<name>"(?:[^"]|"")+"|[^\s";]+)\s')


def without_existing(
    script: str, *, roles: Collection[str], tablespaces: Collection[str] = ()
) -> str:
    """What is left to be run where these roles and tablespaces exist. Memberships stay: to grant
    one twice is no change."""
    return "".join(
        statement
        for statement in _statements(script)
        if not _is_of(_OF_ROLE, statement, roles)
        and not _is_of(_TABLESPACE, statement, tablespaces)
    )


def roles_in(script: str) -> frozenset[str]:
    """Names of the roles that the script creates."""
    found = (_OF_ROLE.match(statement) for statement in _statements(script))
    return frozenset(
        _plain(each["name"]) for each in found if each and each[0].startswith("CREATE")
    )


def _is_of(pattern: re.Pattern[str], statement: str, names: Collection[str]) -> bool:
    found = pattern.match(statement)
    return found is not None and _plain(found["name"]) in names


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _statements(script: str) -> Iterator[str]:
    """Lines, but for statements whose quoted text holds line breaks: those are kept together."""
    gathered = ""
    # Not splitlines(): a role's name may hold what Unicode calls a line break.
    for line in io.StringIO(script, newline="\n"):
        gathered += line
        if gathered.count("'") % 2 == 0 or gathered.startswith("--"):
            yield gathered
            gathered = ""
    if gathered:
        yield gathered
