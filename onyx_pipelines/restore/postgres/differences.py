"""Compares what a database was with what it is after a restore: exactly, and naming each thing.

Pure: both sides are facts. What the facts cannot decide is listed too and is never taken for equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from onyx_pipelines.core.text import count_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.postgres.role_names import in_their_letters
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.sources.postgres.facts import (
    DatabaseFacts,
    ExtensionFacts,
    GlobalsFacts,
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


_NAME_ROLES = frozenset({Aspect.OWNER, Aspect.GRANTS, Aspect.SETTING, Aspect.LARGE_OBJECTS})


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


def changed(
    aspect: Aspect, name: str, before: object, after: object, then: str = "", now: str = ""
) -> Iterator[Difference]:
    """One value. `then` and `now`: how both are told; empty: as they are."""
    if before != after:
        yield Difference(aspect, name, then or str(before), now or str(after))


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
    there = before.keys() & after.keys()
    for name in sorted(there - _moved_tables(before, after)):
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


def _moved_tables(before: Mapping[str, TableFacts], after: Mapping[str, TableFacts]) -> set[str]:
    """Those whose rows are the same in all, together with the others among which they move."""
    moved: set[str] = set()
    for name in {table.rows_move_in for table in before.values()} - {""}:
        parts = [part for part, table in before.items() if table.rows_move_in == name]
        then, now = [before[part] for part in parts], [after[p] for p in parts if p in after]
        if _rows_in_all(then) == _rows_in_all(now) and (
            not _have_sum([*then, *now]) or _sum(then) == _sum(now)
        ):
            moved |= set(parts)
    return moved


def _rows_in_all(tables: Iterable[TableFacts]) -> int:
    return sum(table.rows for table in tables)


def _have_sum(tables: Sequence[TableFacts]) -> bool:
    """Whether their fingerprints are one of all their rows, if they are added."""
    return len(set(map(_rule, tables))) == 1 and all(each.fingerprint for each in tables)


def _sum(tables: Iterable[TableFacts]) -> int:
    return sum(int(table.fingerprint or 0) for table in tables)


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
    moving = [t for t in (*expected.tables, *found.tables) if t.rows_move_in]
    moved = _moved_tables({table.name: table for table in expected.tables}, after)
    for table in expected.tables:
        restored = after.get(table.name)
        if table.left_out:
            yield Undecided(Aspect.ROWS, table.name, f"its rows are left out: {table.left_out}")
        elif table.rows_move_in and not _have_sum(moving):
            reason = "its rows may lie in another partition than before: they were only counted"
            yield Undecided(Aspect.CONTENT, table.name, reason, weighs=True)
        elif table.name in moved and restored is not None and restored.rows != table.rows:
            yield Undecided(
                Aspect.ROWS,
                table.name,
                f"{table.rows} rows were restored as {restored.rows}, and all those of"
                f" {table.rows_move_in} are there: each server hashes an enum otherwise",
            )
        elif restored is None or restored.rows != table.rows or table.rows_move_in:
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


@dataclass(frozen=True)
class HostLimits:
    """Of one server and one database.

    Args:
        tablespaces: those that it lacks; nothing is put into any then.
        settings: names as differences have them, and what the server said of each.
        locale: why the database has another one.
        notes: what else a person should know, whatever is found.
    """

    tablespaces: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    locale: str = ""
    notes: tuple[str, ...] = ()

    def reason(self, difference: Difference) -> str:
        """Why it is as it is; empty if nothing waives it."""
        match difference.aspect:
            case Aspect.TABLESPACE if self.tablespaces:
                return (
                    f"the server has no tablespace {', '.join(self.tablespaces)}, so everything is"
                    " in its default one"
                )
            case Aspect.SETTING:
                return self.settings.get(difference.name, "")
            case Aspect.ENCODING:
                return self.locale
            case _:
                return ""


def database_findings(
    expected: DatabaseFacts,
    comparison: Comparison,
    limits: HostLimits,
    *,
    with_roles: bool = True,
) -> list[Finding]:
    """One passed finding per aspect where all is well, else one per difference."""
    sampled = sum(table.sample_modulus > 1 for table in expected.tables)
    compared = sum(table.fingerprint is not None for table in expected.tables)
    passed = {
        Aspect.TABLE: f"{count_text(len(expected.tables), 'table')} found",
        Aspect.ROWS: count_text(expected.rows, "row"),
        Aspect.CONTENT: f"{count_text(compared, 'table')} with the same fingerprint"
        + (f", {sampled} of them by sample" if sampled else ""),
        Aspect.SEQUENCE: f"{count_text(len(expected.sequences), 'sequence')} not behind",
        Aspect.EXTENSION: f"{count_text(len(expected.extensions), 'extension')} found",
        Aspect.SCHEMA: f"{count_text(len(expected.schema_items), 'schema item')} found",
        Aspect.ENCODING: f"encoding and collation are {expected.encoding}, {expected.collation}",
    }
    if expected.properties is not None:
        passed[Aspect.SETTING] = f"{count_text(len(expected.properties.settings), 'setting')} alike"
        if with_roles:
            passed[Aspect.OWNER] = "everything has its owner"
            passed[Aspect.GRANTS] = "everything is granted as it was"
    item = expected.database
    findings = list(_findings(item, comparison, passed, limits, expected.encoding))
    findings += [_note(item, note) for note in limits.notes]
    if not with_roles:
        findings.append(
            _note(item, "Owners and grants are not compared: the set's roles are not there.")
        )
    return findings


def _with_roles_told(difference: Difference, encoding: str) -> Difference:
    if difference.aspect not in _NAME_ROLES:
        return difference
    name, then, now = (
        in_their_letters(text, encoding)
        for text in (difference.name, difference.expected, difference.found)
    )
    return Difference(difference.aspect, name, then, now)


def globals_findings(
    expected: GlobalsFacts, comparison: Comparison, limits: HostLimits
) -> list[Finding]:
    """The same for what belongs to the whole server."""
    passed = {Aspect.ROLE: f"{count_text(len(expected.roles), 'role')} found"}
    return list(_findings("globals", comparison, passed, limits))


def _findings(
    item: str,
    comparison: Comparison,
    passed: Mapping[Aspect, str],
    limits: HostLimits,
    encoding: str = "UTF8",
) -> Iterator[Finding]:
    for difference in comparison.differences:
        reason = limits.reason(difference)
        verdict = _waived(difference) if reason else Verdict.FAILED
        told = _with_roles_told(difference, encoding)
        yield difference_finding(item, told, verdict, limits=reason)
    for undecided in comparison.undecided:
        yield Finding(
            # What a drill cannot decide about versions and large objects is said; it does not keep
            # a set from passing. Rows that were not compared do.
            verdict=Verdict.COULD_NOT_VERIFY if undecided.weighs else Verdict.PASSED,
            item=item,
            aspect=undecided.aspect.value,
            message=f"{undecided.name}: {undecided.reason}",
        )
    failed = {difference.aspect for difference in comparison.differences}
    for aspect, message in passed.items():
        if aspect not in failed:
            yield Finding.passed(item, aspect.value, message)


def difference_finding(
    item: str,
    difference: Difference,
    verdict: Verdict = Verdict.FAILED,
    *,
    message: str = "",
    limits: str = "",
) -> Finding:
    """`message`: empty: what differs."""
    return Finding(
        verdict=verdict,
        item=item,
        aspect=difference.aspect.value,
        message=message or f"{difference.aspect.value} {difference.name}",
        expected=difference.expected,
        found=difference.found,
        limits=limits,
    )


def _waived(difference: Difference) -> Verdict:
    """Rows compare alike under another locale, but do not sort alike: that was not seen."""
    is_locale = difference.aspect is Aspect.ENCODING
    return Verdict.COULD_NOT_VERIFY if is_locale else Verdict.PASSED


def _note(item: str, note: str) -> Finding:
    return Finding.passed(item, "note", note)
