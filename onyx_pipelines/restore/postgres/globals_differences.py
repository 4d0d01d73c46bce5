"""Compares roles, tablespaces and rights to parameters with what they were. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onyx_pipelines.restore.postgres.differences import (
    MISSING,
    Aspect,
    Comparison,
    Difference,
    changed,
    entries,
    granted,
    missing,
)
from onyx_pipelines.sources.postgres.facts import (
    GlobalsFacts,
    Membership,
    RoleFacts,
    TablespaceFacts,
)

# How names of differences begin.
OF_ALL_ROLES = "all roles: "


def compare_globals(expected: GlobalsFacts, found: GlobalsFacts) -> Comparison:
    """What differs. Roles and tablespaces that were not there before are no matter."""
    before = {role.name: role for role in expected.roles}
    after = {role.name: role for role in found.roles}
    differences = [*missing(Aspect.ROLE, before, after)]
    with_passwords = expected.with_passwords and found.with_passwords
    for name in sorted(before.keys() & after.keys()):
        differences += _role(before[name], after[name], is_whole=expected.format_version > 1)
        if with_passwords:
            differences += _password(before[name], after[name])
    differences += missing(Aspect.TABLESPACE, expected.tablespaces, found.tablespaces)
    spaces = {each.name: each for each in found.tablespace_facts}
    for space in expected.tablespace_facts:
        if space.name in spaces:
            differences += _tablespace(space, spaces[space.name])
    for parameter, rights in sorted(expected.parameter_grants.items()):
        differences += granted(
            f"parameter {parameter}", rights, found.parameter_grants.get(parameter, ())
        )
    differences += entries(
        Aspect.SETTING, OF_ALL_ROLES, expected.settings_of_all, _those(found, expected)
    )
    for name, memberships in sorted(expected.predefined.items()):
        then, now = map(_memberships, (memberships, found.predefined.get(name, ())))
        # Others may have been let in here.
        differences += changed(Aspect.ROLE, name, then, tuple(each for each in now if each in then))
    return Comparison(tuple(differences), ())


def _those(found: GlobalsFacts, expected: GlobalsFacts) -> dict[str, str]:
    """What the server has besides is its own."""
    return {k: v for k, v in found.settings_of_all.items() if k in expected.settings_of_all}


def _memberships(memberships: Iterable[Membership]) -> tuple[str, ...]:
    return tuple(map(_membership, memberships))


def _role(expected: RoleFacts, found: RoleFacts, *, is_whole: bool) -> Iterator[Difference]:
    """`is_whole`: false for facts of version 1, which knew its rights alone."""
    before, after = _rights(expected, is_whole=is_whole), _rights(found, is_whole=is_whole)
    yield from changed(Aspect.ROLE, expected.name, before, after)
    if not is_whole:
        return
    yield from _comment(f"role {expected.name}", expected.comment, found.comment)
    yield from entries(
        Aspect.LABEL, f"role {expected.name}: ", expected.security_labels, found.security_labels
    )
    yield from entries(Aspect.SETTING, f"role {expected.name}: ", expected.settings, found.settings)


def _password(expected: RoleFacts, found: RoleFacts) -> Iterator[Difference]:
    yield from changed(
        Aspect.ROLE,
        f"{expected.name}: password",
        expected.password,
        found.password,
        "its password" if expected.password else "none",
        "another one" if found.password else MISSING,
    )


def _rights(role: RoleFacts, *, is_whole: bool) -> str:
    rights = {
        "superuser": role.superuser,
        "login": role.can_login,
        "createrole": role.create_role,
        "createdb": role.create_database,
        "replication": role.replication,
        "bypassrls": role.bypass_rls,
    }
    words = [name for name, given in rights.items() if given]
    if not is_whole:
        words += [f"member of {group}" for group in role.member_of]
        return ", ".join(words) or "no rights"
    if not role.inherits:
        words.append("noinherit")
    if role.connection_limit >= 0:
        words.append(f"at most {role.connection_limit} connections")
    if role.valid_until is not None:
        words.append(f"valid until {role.valid_until}")
    words += [_membership(each) for each in role.memberships]
    return ", ".join(words) or "no rights"


def _membership(membership: Membership) -> str:
    options = {
        "with admin option": membership.admin,
        "not inherited": not membership.inherits,
        "without set role": not membership.may_set,
        f"granted by {membership.grantor}": membership.grantor is not None,
    }
    return " ".join([f"member of {membership.role}", *(o for o, given in options.items() if given)])


def _tablespace(expected: TablespaceFacts, found: TablespaceFacts) -> Iterator[Difference]:
    """Where it lies is not compared: in scratch it is elsewhere, and one that is there already
    stays where it is."""
    name = f"tablespace {expected.name}"
    yield from changed(Aspect.OWNER, name, expected.owner, found.owner)
    options = (", ".join(each.options) for each in (expected, found))
    yield from changed(Aspect.TABLESPACE, name, *options)
    yield from _comment(name, expected.comment, found.comment)
    yield from granted(name, expected.grants, found.grants)


def _comment(name: str, before: str | None, after: str | None) -> Iterator[Difference]:
    yield from changed(Aspect.COMMENT, name, before, after, "its comment", "another one or none")
