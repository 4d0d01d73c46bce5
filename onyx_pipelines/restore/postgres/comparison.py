"""Differences of facts as findings, and what a server cannot have of a database, so that it is no
loss of the backup. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from onyx_pipelines.restore.postgres.differences import Aspect, Comparison, Difference
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.postgres.facts import DatabaseFacts, GlobalsFacts


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
        """Why it is as it is; empty if nothing excuses it."""
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
        Aspect.TABLE: f"{len(expected.tables)} tables are there",
        Aspect.ROWS: f"{expected.rows:,} rows",
        Aspect.CONTENT: f"{compared} tables have the same fingerprint"
        + (f", {sampled} of them by sample" if sampled else ""),
        Aspect.SEQUENCE: f"{len(expected.sequences)} sequences are not behind",
        Aspect.EXTENSION: f"{len(expected.extensions)} extensions are there",
        Aspect.SCHEMA: f"{len(expected.schema_items)} schema items are there",
        Aspect.ENCODING: f"encoding and collation are {expected.encoding}, {expected.collation}",
    }
    if expected.properties is not None:
        passed[Aspect.SETTING] = f"{len(expected.properties.settings)} settings are the same"
        if with_roles:
            passed[Aspect.OWNER] = "everything has its owner"
            passed[Aspect.GRANTS] = "everything is granted as it was"
    item = expected.database
    findings = list(_findings(item, comparison, passed, limits))
    findings += [_note(item, note) for note in limits.notes]
    if not with_roles:
        findings.append(
            _note(item, "Owners and grants are not compared: the set's roles are not there.")
        )
    return findings


def globals_findings(expected: GlobalsFacts, comparison: Comparison) -> list[Finding]:
    """The same for what belongs to the whole server."""
    passed = {Aspect.ROLE: f"{len(expected.roles)} roles are there"}
    return list(_findings("globals", comparison, passed, HostLimits()))


def _findings(
    item: str, comparison: Comparison, passed: Mapping[Aspect, str], limits: HostLimits
) -> Iterator[Finding]:
    for difference in comparison.differences:
        excuse = limits.reason(difference)
        verdict = _excused(difference) if excuse else Verdict.FAILED
        yield difference_finding(item, difference, verdict, limits=excuse)
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


def _excused(difference: Difference) -> Verdict:
    """Rows compare alike under another locale, but do not sort alike: that was not seen."""
    is_locale = difference.aspect is Aspect.ENCODING
    return Verdict.COULD_NOT_VERIFY if is_locale else Verdict.PASSED


def _note(item: str, note: str) -> Finding:
    return Finding.passed(item, "note", note)
