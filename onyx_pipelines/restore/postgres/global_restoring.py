"""Roles, memberships and tablespaces of a set on a server that has some already: those stay as they
are, since others may log in with them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.differences import (
    MISSING,
    Aspect,
    Difference,
)
from onyx_pipelines.restore.postgres.globals_differences import compare_globals
from onyx_pipelines.restore.postgres.globals_script import granted_by_nobody, without_existing
from onyx_pipelines.restore.results import Finding, Step
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.facts import GlobalsFacts
from onyx_pipelines.sources.postgres.target import PostgresTarget

_ITEM = "globals"


def restore_globals(
    objects: SetObjects,
    target: PostgresTarget,
    binaries: Binaries,
    scratch: Path,
    clock: StepClock,
    progress: ProgressCallback,
) -> tuple[Finding, ...]:
    """Create what the server lacks; nothing if the set has no globals.

    Raises:
        IntegrityError, StoreError: the set cannot be read.
        SourceError: the server was lost.
    """
    found = loading.globals_of(objects)
    if found is None:
        return ()
    record, expected = found
    script = scratch / "globals.sql"
    with clock.step(Step.FETCH, _ITEM, plain_bytes=record.plain_bytes):
        loading.fetch(objects, record, script, progress)
        before = loading.read_restored_globals(target, expected)
        loading.change(script, lambda text: _for_server(text, expected, before))
    with clock.step(Step.RESTORE, _ITEM, plain_bytes=record.plain_bytes):
        loading.apply_globals(target, binaries, script)
    script.unlink()
    with clock.step(Step.COMPARE, _ITEM):
        after = loading.read_restored_globals(target, expected)
    return tuple(_findings(expected, before, after))


def _for_server(script: str, expected: GlobalsFacts, there: GlobalsFacts) -> str:
    left = without_existing(
        script, roles={role.name for role in there.roles}, tablespaces=there.tablespaces
    )
    first = expected.first_superuser
    return left if first in {None, there.first_superuser} else granted_by_nobody(left, first)


def _findings(expected: GlobalsFacts, before: GlobalsFacts, after: GlobalsFacts) -> list[Finding]:
    there = {role.name for role in before.roles}
    differences = compare_globals(expected, after).differences
    findings = [
        _left_alone(each)
        if _is_of_any(each, {role.name for role in before.roles}, before.tablespaces)
        else _elsewhere(each)
        if each.aspect is Aspect.TABLESPACE
        else _failed(each)
        for each in differences
    ]
    if not any(finding.verdict is Verdict.FAILED for finding in findings):
        created = len({role.name for role in expected.roles} - there)
        findings.append(
            Finding(
                verdict=Verdict.PASSED,
                item=_ITEM,
                aspect=Aspect.ROLE.value,
                message=f"{len(expected.roles)} roles are there, {created} of them created",
            )
        )
    return findings


def _is_of_any(
    difference: Difference, roles: Collection[str], tablespaces: Collection[str]
) -> bool:
    """Whether it is about one of those that were there before."""
    if difference.found == MISSING and difference.aspect in {Aspect.ROLE, Aspect.TABLESPACE}:
        return False
    names = {*(f"role {name}" for name in roles), *(f"tablespace {name}" for name in tablespaces)}
    whole = f"role {difference.name}" if difference.aspect is Aspect.ROLE else difference.name
    return any(whole == name or whole.startswith(f"{name}: ") for name in names)


def _elsewhere(difference: Difference) -> Finding:
    return Finding(
        verdict=Verdict.PASSED,
        item=_ITEM,
        aspect=difference.aspect.value,
        message=f"tablespace {difference.name} could not be made: its directory is not there",
        expected=difference.expected,
        found=difference.found,
        limits="what lay in it is restored into the default tablespace",
    )


def _left_alone(difference: Difference) -> Finding:
    return Finding(
        verdict=Verdict.PASSED,
        item=_ITEM,
        aspect=difference.aspect.value,
        message=f"{difference.aspect.value} {difference.name} was there already and was left as it"
        " is",
        expected=difference.expected,
        found=difference.found,
    )


def _failed(difference: Difference) -> Finding:
    return Finding(
        verdict=Verdict.FAILED,
        item=_ITEM,
        aspect=difference.aspect.value,
        message=f"{difference.aspect.value} {difference.name}",
        expected=difference.expected,
        found=difference.found,
    )
