"""What pg_dump leaves to the server that it restores to, which makes it otherwise. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from onyx_pipelines.sources.postgres.facts import SchemaItem
from onyx_pipelines.sources.postgres.relations import NOT_NULL

Key: TypeAlias = tuple[str, str]
# By kind and name.
Items: TypeAlias = dict[Key, list[SchemaItem]]

# Such as PostgreSQL 18 gives to a NOT NULL by itself, and counts on where another relation has it
# (CREATE TABLE … LIKE takes names over).
_GIVEN_NAME: Final = re.compile(
    r'(?P<relation>.+) (?:\w+_not_null\d*|"(?:[^"]|"")*_not_null\d*")', re.DOTALL
)
_OF_COLUMN: Final = re.compile(
    r"(?P<type>smallint|integer|bigint); (?P<start>\S+) (?P<step>\S+) (?P<least>\S+) (?P<most>\S+)"
    r"(?P<rest> .*; of column (?P<column>.+))",
    re.DOTALL,
)
_VALUES: Final = {"smallint": 1 << 15, "integer": 1 << 31, "bigint": 1 << 63}


def as_the_server_makes_it(before: Items, after: Items) -> Items:
    """What was there before, as it is when a server has run pg_dump's script: with what is found,
    where that means the same."""
    made = dict(before)
    for old, new in _named_anew(before, after):
        made[new] = made.pop(old)
    for key in made.keys() & after.keys():
        if key[0] == "sequence":
            made[key] = [_sequence(made[key][0], after[key][0], before)]
        elif key[0] == "column" and _is_null_no_more(made[key][0], after[key][0]):
            made[key] = [_as_inherited(made[key][0], after[key][0], before)]
    return made


def _is_null_no_more(expected: SchemaItem, found: SchemaItem) -> bool:
    return found.definition.replace("; not null", "", 1) == expected.definition != found.definition


def _as_inherited(expected: SchemaItem, found: SchemaItem, before: Items) -> SchemaItem:
    """A table could drop a NOT NULL of its parents before version 18, and gets it back."""
    for (kind, table), (item, *_) in before.items():
        if kind == "table" and expected.name.startswith(f"{table}."):
            parents = re.search(r"(?:^|; )inherits from ([^;]+)", item.definition)
            column = expected.name.removeprefix(f"{table}.")
            for parent in parents[1].split(", ") if parents else ():
                above = before.get(("column", f"{parent}.{column}"))
                if above and "; not null" in above[0].definition:
                    return expected.model_copy(update={"definition": found.definition})
    return expected


def _named_anew(before: Items, after: Items) -> Iterator[tuple[Key, Key]]:
    """NOT NULLs of the same columns of the same relation."""
    gone = _given_names(before, before.keys() - after.keys())
    new = _given_names(after, after.keys() - before.keys())
    return ((gone[each], new[each]) for each in gone.keys() & new.keys())


def _given_names(items: Items, keys: Iterable[Key]) -> dict[tuple[str, str], Key]:
    """By relation and definition."""
    named = [(key, _GIVEN_NAME.fullmatch(key[1])) for key in keys if key[0] == NOT_NULL]
    return {(match["relation"], items[key][0].definition): key for key, match in named if match}


def _sequence(expected: SchemaItem, found: SchemaItem, before: Items) -> SchemaItem:
    """That of an identity column gets the column's type, whatever it had (LIKE makes bigint)."""
    then, now = map(_OF_COLUMN.fullmatch, (expected.definition, found.definition))
    if then is None or now is None:
        return expected
    values = min(_VALUES[then["type"]], _VALUES[now["type"]])
    if _numbers(then, values) != _numbers(now, values):
        return expected
    column = before.get(("column", then["column"]))
    if not column or "; identity " not in column[0].definition:
        return expected
    return expected.model_copy(update={"definition": found.definition})


def _numbers(sequence: re.Match[str], values: int) -> tuple[object, ...]:
    """All but the type, within what the smaller one holds."""
    least, most = max(int(sequence["least"]), -values), min(int(sequence["most"]), values - 1)
    return sequence["start"], sequence["step"], least, most, sequence["rest"]
