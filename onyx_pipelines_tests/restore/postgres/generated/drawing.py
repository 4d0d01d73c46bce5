"""What is drawn so far of a database: the names that later statements may use."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from hypothesis import strategies as st
from psycopg import sql

T = TypeVar("T")

_ODD: Final = (
    *("plain", "With Capitals", 'quo"ted', "select", "über", "a.b", "x" * 60, "it's", "a=b"),
    *("new\nline", "postgres://x", "back\\slash", "--comment", "100%s", "$1", " space ", "😀"),
    *("tab\tbed", "plain", "plain", "plain"),
)
# Of a cluster, so made once for all databases; the first may not log in.
ROLES: Final = ("made_owner", "made_reader", 'made "quoted" o\'role')
# Tablespaces of the cluster, too.
SPACES: Final = ("made_space", 'made "quoted"\nspäce', "made it's LOCATION '")


@dataclass(frozen=True)
class Table:
    """`columns`: names and types. `kind`: as CREATE … TABLE has it."""

    name: str
    columns: tuple[tuple[str, str], ...]
    kind: str = ""

    def any_of(self, *types: str) -> list[str]:
        """Quoted names of the columns of these types; none given: of all."""
        return [quoted(name) for name, kind in self.columns if not types or kind in types]


@dataclass
class Drawing:
    """`values`: types that columns may have, with an expression of the row's number `i`. `seed`:
    what hypothesis draws is added to what chance alone would choose, and numbers count from the
    largest down. So what it tries first is as rich as the rest, and another one for each seed."""

    draw: st.DrawFn
    values: dict[str, str]
    seed: int
    statements: list[str] = field(default_factory=list)
    schemas: list[str] = field(default_factory=lambda: ["public"])
    tables: list[Table] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    _names: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    def one(self, choices: Sequence[T]) -> T:
        drawn = self.draw(st.integers(0, len(choices) - 1))
        return choices[(self._chance.randrange(len(choices)) + drawn) % len(choices)]

    def chance(self) -> bool:
        return self.one((True, False))

    def number(self, least: int, most: int) -> int:
        return most - self.draw(st.integers(0, most - least))

    def maybe(self, text: str) -> str:
        return f" {text}" if self.chance() else ""

    def plain_name(self) -> str:
        """A new one, odd or not, at most 63 bytes long."""
        self._names += 1
        stem = self.one(_ODD).encode()[:60].decode("utf-8", "ignore")
        return f"{stem}{self._names}"

    def name(self) -> str:
        return quoted(self.plain_name())

    def new(self) -> str:
        """A new name in some schema, quoted."""
        return f"{self.one(self.schemas)}.{self.name()}"

    def role(self) -> str:
        return quoted(self.one(ROLES))

    def space(self) -> str:
        """The last one is rare: no other server of this host may have it."""
        return quoted(self.one(("pg_default", *SPACES[:2] * 4, *SPACES)))

    def place(self, clause: str = "TABLESPACE") -> str:
        """Of a new relation; often what its database has, or `default_tablespace` says."""
        return f" {clause} {self.space()}" if self.one((True, False, False)) else ""

    def table(self, *kinds: str) -> Table | None:
        """One that there is, of these kinds if any are given."""
        found = [table for table in self.tables if not kinds or table.kind in kinds]
        return self.one(found) if found else None

    def add(self, *statements: str) -> None:
        self.statements += statements


def quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def literal(text: str) -> str:
    return sql.Literal(text).as_string()
