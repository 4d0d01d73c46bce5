"""Roles, memberships and tablespaces of a set on a server that has some already: those stay as they
are, since others may log in with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.engine import Work
from onyx_pipelines.restore.journal import has_failed
from onyx_pipelines.restore.postgres import loading
from onyx_pipelines.restore.postgres.differences import (
    MISSING,
    Aspect,
    Difference,
    difference_finding,
)
from onyx_pipelines.restore.postgres.globals_differences import OF_ALL_ROLES, compare_globals
from onyx_pipelines.restore.postgres.globals_script import (
    encoding_of,
    granted_by_nobody,
    settings_in,
    without_existing,
)
from onyx_pipelines.restore.postgres.marked_databases import inside, refusal
from onyx_pipelines.restore.postgres.staging import Staging
from onyx_pipelines.restore.results import Finding, Step
from onyx_pipelines.sources.postgres.facts import GlobalsFacts
from onyx_pipelines.sources.postgres.target import PostgresTarget

GLOBALS: Final = "globals"
# The script, what the set says, and what is there, to the script that is run.
Change: TypeAlias = Callable[[str, GlobalsFacts, GlobalsFacts], str]


@dataclass(frozen=True)
class BroughtGlobals:
    """What the set says, and what the server had and has. `refused`: the settings that it cannot
    have, by the names of their differences, and what it said."""

    expected: GlobalsFacts
    before: GlobalsFacts
    after: GlobalsFacts
    refused: Mapping[str, str]


def bring_globals(work: Work, staging: Staging, change: Change) -> BroughtGlobals | None:
    """Run the script as it is changed for the server; None if the set has none.

    Raises:
        IntegrityError, NotFoundError, StoreError: the set cannot be read.
        SourceError: the server was lost.
    """
    found = loading.globals_of(work.objects)
    if found is None:
        return None
    record, expected = found
    script = loading.read_script(work, record)
    with work.clock.step(Step.RESTORE, GLOBALS, plain_bytes=record.plain_bytes):
        before = loading.read_restored_globals(staging.target, expected)
        script = change(script, expected, before)
        loading.apply_globals(staging.target, staging.binaries, script)
        refused = _refused(staging.target, script)
    with work.clock.step(Step.COMPARE, GLOBALS):
        after = loading.read_restored_globals(staging.target, expected)
    return BroughtGlobals(expected, before, after, refused)


def _refused(target: PostgresTarget, script: str) -> dict[str, str]:
    """To set anything again is no change, and tells what psql only printed."""
    refused = {}
    with inside(target, loading.MAINTENANCE_DATABASE, encoding_of(script)) as connection:
        for role, name, statement in settings_in(script):
            if said := refusal(connection, statement):
                whose = f"role {role}: " if role else OF_ALL_ROLES
                refused[f"{whose}{name}"] = said
    return refused


def restore_globals(work: Work, staging: Staging) -> list[Finding]:
    """Create what the server lacks. Raises as `bring_globals`."""
    brought = bring_globals(work, staging, _for_server)
    return [] if brought is None else _findings(brought)


def _for_server(script: str, expected: GlobalsFacts, there: GlobalsFacts) -> str:
    left = without_existing(
        script,
        roles={role.name for role in there.roles},
        tablespaces=there.tablespaces,
        settings_of_all=there.settings_of_all,
    )
    first = expected.first_superuser
    return left if first in {None, there.first_superuser} else granted_by_nobody(left, first)


def _findings(brought: BroughtGlobals) -> list[Finding]:
    expected, before = brought.expected, brought.before
    there = {role.name for role in before.roles}
    differences = compare_globals(expected, brought.after).differences
    findings = [
        _left_alone(each)
        if _is_of_any(each, there, before)
        else _impossible(each, brought.refused[each.name])
        if each.aspect is Aspect.SETTING and each.name in brought.refused
        else _elsewhere(each)
        if each.aspect is Aspect.TABLESPACE
        else difference_finding(GLOBALS, each)
        for each in differences
    ]
    created = {role.name for role in expected.roles} - there
    if created and expected.with_passwords and not brought.after.with_passwords:
        said = "Passwords of the created roles were not compared: this role may not read pg_authid."
        findings.append(Finding.unverified(GLOBALS, Aspect.ROLE.value, said))
    if not has_failed(findings):
        said = f"{len(expected.roles)} roles are there, {len(created)} of them created"
        findings.append(Finding.passed(GLOBALS, Aspect.ROLE.value, said))
    return findings


def _is_of_any(difference: Difference, roles: Collection[str], before: GlobalsFacts) -> bool:
    """Whether it is about something that was there before."""
    if difference.found == MISSING and difference.aspect in {Aspect.ROLE, Aspect.TABLESPACE}:
        return False
    names = {
        *(f"role {name}" for name in roles),
        *(f"tablespace {name}" for name in before.tablespaces),
        *(f"{OF_ALL_ROLES}{name}" for name in before.settings_of_all),
    }
    whole = f"role {difference.name}" if difference.aspect is Aspect.ROLE else difference.name
    return any(whole == name or whole.startswith(f"{name}: ") for name in names)


def _elsewhere(difference: Difference) -> Finding:
    return difference_finding(
        GLOBALS,
        difference,
        Verdict.PASSED,
        message=f"tablespace {difference.name} could not be made: its directory is not there, or"
        " in use",
        limits="what lay in it is restored into the default tablespace",
    )


def _impossible(difference: Difference, said: str) -> Finding:
    return difference_finding(GLOBALS, difference, Verdict.PASSED, limits=said)


def _left_alone(difference: Difference) -> Finding:
    what = f"{difference.aspect.value} {difference.name}"
    said = f"{what} was there already and was left as it is"
    return difference_finding(GLOBALS, difference, Verdict.PASSED, message=said)
