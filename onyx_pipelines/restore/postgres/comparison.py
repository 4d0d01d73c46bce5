"""Differences of facts as findings of a drill. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onyx_pipelines.restore.postgres.differences import Aspect, Comparison, Difference
from onyx_pipelines.restore.postgres.host_limits import HostLimits
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.postgres.facts import DatabaseFacts, GlobalsFacts


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
        yield _difference(item, difference, limits.reason(difference))
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
            yield Finding(verdict=Verdict.PASSED, item=item, aspect=aspect.value, message=message)


def _difference(item: str, difference: Difference, excuse: str) -> Finding:
    return Finding(
        verdict=_excused(difference) if excuse else Verdict.FAILED,
        item=item,
        aspect=difference.aspect.value,
        message=f"{difference.aspect.value} {difference.name}",
        expected=difference.expected,
        found=difference.found,
        limits=excuse,
    )


def _excused(difference: Difference) -> Verdict:
    """Rows compare alike under another locale, but do not sort alike: that was not seen."""
    is_locale = difference.aspect is Aspect.ENCODING
    return Verdict.COULD_NOT_VERIFY if is_locale else Verdict.PASSED


def _note(item: str, note: str) -> Finding:
    return Finding(verdict=Verdict.PASSED, item=item, aspect="note", message=note)
