"""Differences of facts as findings of a drill. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onyx_pipelines.restore.postgres.differences import Aspect, Comparison
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.postgres.facts import DatabaseFacts, GlobalsFacts


def database_findings(expected: DatabaseFacts, comparison: Comparison) -> list[Finding]:
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
    return list(_findings(expected.database, comparison, passed))


def globals_findings(expected: GlobalsFacts, comparison: Comparison) -> list[Finding]:
    """The same for what belongs to the whole server."""
    passed = {Aspect.ROLE: f"{len(expected.roles)} roles are there"}
    return list(_findings("globals", comparison, passed))


def _findings(item: str, comparison: Comparison, passed: Mapping[Aspect, str]) -> Iterator[Finding]:
    for difference in comparison.differences:
        yield Finding(
            verdict=Verdict.FAILED,
            item=item,
            aspect=difference.aspect.value,
            message=f"{difference.aspect.value} {difference.name}",
            expected=difference.expected,
            found=difference.found,
        )
    for undecided in comparison.undecided:
        yield Finding(
            # What a drill cannot decide about definitions, versions and large objects is said; it
            # does not keep a set from passing. Rows that were not compared do.
            verdict=Verdict.COULD_NOT_VERIFY
            if undecided.aspect is Aspect.CONTENT
            else Verdict.PASSED,
            item=item,
            aspect=undecided.aspect.value,
            message=f"{undecided.name}: {undecided.reason}",
        )
    failed = {difference.aspect for difference in comparison.differences}
    for aspect, message in passed.items():
        if aspect not in failed:
            yield Finding(verdict=Verdict.PASSED, item=item, aspect=aspect.value, message=message)
