"""Compares what a database was with what it is after a restore: exactly, and naming each thing.

Pure: both sides are facts. What the facts cannot decide is listed too and is never taken for equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from onyx_pipelines.sources.postgres.facts import (
    DatabaseFacts,
    ExtensionFacts,
    SequenceFacts,
    TableFacts,
)

MISSING = "missing"
PRESENT = "present"


class Aspect(StrEnum):
    """What was compared."""

    ENCODING = "encoding"
    TABLE = "table"
    ROWS = "rows"
    CONTENT = "content"
    SEQUENCE = "sequence"
    EXTENSION = "extension"
    SCHEMA = "schema"
    OWNER = "owner"
    GRANTS = "grants"
    COMMENT = "comment"
    LABEL = "security label"
    SETTING = "setting"
    LIMIT = "limit"
    LARGE_OBJECTS = "large objects"
    ROLE = "role"
    TABLESPACE = "tablespace"


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was. Texts name things and counts, never a row's content."""

    aspect: Aspect
    name: str
    expected: str
    found: str


@dataclass(frozen=True)
class Undecided:
    """One thing that the facts cannot decide, and why. `weighs`: a drill must not pass for it."""

    aspect: Aspect
    name: str
    reason: str
    weighs: bool = False


@dataclass(frozen=True)
class Comparison:
    differences: tuple[Difference, ...]
    undecided: tuple[Undecided, ...]


def missing(aspect: Aspect, before: Iterable[str], after: Iterable[str]) -> Iterator[Difference]:
    for name in sorted(set(before) - set(after)):
        yield Difference(aspect, name, PRESENT, MISSING)


def unexpected(aspect: Aspect, before: Iterable[str], after: Iterable[str]) -> Iterator[Difference]:
    for name in sorted(set(after) - set(before)):
        yield Difference(aspect, name, MISSING, PRESENT)


def granted(name: str, before: Iterable[str], after: Iterable[str]) -> Iterator[Difference]:
    """What was granted on something and is not, or is and was not."""
    then, now = set(before), set(after)
    if then != now:
        yield Difference(
            Aspect.GRANTS,
            name,
            "; ".join(sorted(then - now)) or "nothing more",
            "; ".join(sorted(now - then)) or "nothing more",
        )


def entries(
    aspect: Aspect, name: str, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterator[Difference]:
    """Of settings and labels by their name; values may be secrets."""
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield Difference(aspect, f"{name}{key}", _there(before, key), _there(after, key))


def _there(found: Mapping[str, str], key: str) -> str:
    return "its value" if key in found else MISSING


def content(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Difference]:
    """Tables and their rows, sequences, extensions."""
    before = {table.name: table for table in expected.tables}
    after = {table.name: table for table in found.tables}
    yield from missing(Aspect.TABLE, before, after)
    yield from unexpected(Aspect.TABLE, before, after)
    for name in sorted(before.keys() & after.keys()):
        yield from _rows(before[name], after[name])
    yield from _sequences(expected, found)
    yield from missing(Aspect.EXTENSION, _names(expected.extensions), _names(found.extensions))


def _names(extensions: Iterable[ExtensionFacts]) -> list[str]:
    return [extension.name for extension in extensions]


def _rows(expected: TableFacts, found: TableFacts) -> Iterator[Difference]:
    if expected.left_out:
        return
    if expected.rows != found.rows:
        yield Difference(Aspect.ROWS, expected.name, f"{expected.rows} rows", f"{found.rows} rows")
    elif (
        expected.fingerprint is not None
        and _rule(expected) == _rule(found)
        and expected.fingerprint != found.fingerprint
    ):
        yield Difference(
            Aspect.CONTENT,
            expected.name,
            f"fingerprint {expected.fingerprint}",
            f"fingerprint {found.fingerprint}",
        )


def _rule(table: TableFacts) -> tuple[object, ...]:
    return table.sample_modulus, table.fingerprint_method


def _sequences(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Difference]:
    before = {sequence.name: sequence for sequence in expected.sequences}
    after = {sequence.name: sequence for sequence in found.sequences}
    yield from missing(Aspect.SEQUENCE, before, after)
    for name in sorted(before.keys() & after.keys()):
        if _is_behind(after[name], before[name]):
            yield Difference(
                Aspect.SEQUENCE,
                name,
                f"{_position(before[name])} or further",
                _position(after[name]),
            )


def _is_behind(found: SequenceFacts, expected: SequenceFacts) -> bool:
    """Whether it may give out a value again. One that cycles does so anyhow."""
    if expected.cycles:
        return False
    ahead = (found.last_value - expected.last_value) * (1 if expected.increment > 0 else -1)
    return ahead < 0 or (ahead == 0 and expected.is_called and not found.is_called)


def _position(sequence: SequenceFacts) -> str:
    return f"{sequence.last_value} {'given out' if sequence.is_called else 'to come'}"


def undecided_content(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Undecided]:
    """Rows that were not compared, and versions of extensions."""
    after = {table.name: table for table in found.tables}
    for table in expected.tables:
        restored = after.get(table.name)
        if table.left_out:
            yield Undecided(Aspect.ROWS, table.name, f"its rows are left out: {table.left_out}")
        elif restored is None or restored.rows != table.rows:
            continue
        elif table.fingerprint is None:
            yield Undecided(
                Aspect.CONTENT,
                table.name,
                "its rows were only counted: it is above ONYX_PG_FINGERPRINT_MAX_BYTES and has no"
                " primary key to sample by",
                weighs=True,
            )
        elif _rule(table) != _rule(restored):
            reason = "the two were read by different rules"
            yield Undecided(Aspect.CONTENT, table.name, reason, weighs=True)
    versions = {extension.name: extension.version for extension in found.extensions}
    for extension in expected.extensions:
        version = versions.get(extension.name, extension.version)
        if version != extension.version:
            yield Undecided(
                Aspect.EXTENSION,
                extension.name,
                f"version {extension.version} was restored as {version}, which is what is installed"
                " there",
            )
