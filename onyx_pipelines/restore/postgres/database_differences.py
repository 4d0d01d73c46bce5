"""Compares a restored database with what it was, in every respect that its facts know. Pure."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from onyx_pipelines.restore.postgres.differences import (
    MISSING,
    PRESENT,
    Aspect,
    Comparison,
    Difference,
    Undecided,
    changed,
    content,
    entries,
    granted,
    undecided_content,
)
from onyx_pipelines.restore.postgres.made_otherwise import Items, as_the_server_makes_it
from onyx_pipelines.sources.postgres.attachments import INHERITED_COMMENT
from onyx_pipelines.sources.postgres.facts import (
    DatabaseFacts,
    DatabaseProperties,
    SchemaItem,
)
from onyx_pipelines.sources.postgres.relations import NAMED_NOT_NULL_SINCE, NOT_NULL

_SHOWN = 300
# A right that came with this version; who is granted ALL has it from then on.
_MAINTAIN, _MAINTAIN_SINCE = "MAINTAIN", 17
_ASPECTS = {
    "comment": Aspect.COMMENT,
    INHERITED_COMMENT: Aspect.COMMENT,
    "security label": Aspect.LABEL,
    "grants": Aspect.GRANTS,
}
_WHOLE = frozenset({"table", "view"})
# They are about roles and nothing else.
_OF_ROLES = frozenset({"grants", "default privileges"})


def compare(
    expected: DatabaseFacts, found: DatabaseFacts, *, with_roles: bool = True
) -> Comparison:
    """What differs in one database; `found` was read by the sampling rules of `expected`, whose
    definitions are in the words of `found` where they mean the same.

    Sizes, names of databases and system identifiers are not compared: they differ by nature.

    Args:
        with_roles: whether owners and grants were restored.
    """
    return Comparison(
        differences=(
            *_encoding(expected, found),
            *content(expected, found),
            *_schema(expected, found, with_roles=with_roles),
            *_large_objects(expected, found, with_roles=with_roles),
            *_properties(expected, found, with_roles=with_roles),
        ),
        undecided=(*undecided_content(expected, found), *_undecided(expected, found)),
    )


def _encoding(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Difference]:
    before, after = _locale(expected), _locale(found)
    if expected.properties is None:
        before, after = before[:3], after[:3]
    words = (", ".join(before), ", ".join(after))
    yield from changed(Aspect.ENCODING, expected.database, *words)


def _locale(facts: DatabaseFacts) -> list[str]:
    words = [facts.encoding, facts.collation, facts.ctype]
    if facts.properties is None:
        return words
    properties = facts.properties
    words.append(properties.locale_provider)
    return [*words, *filter(None, (properties.locale, properties.icu_rules))]


def _schema(
    expected: DatabaseFacts, found: DatabaseFacts, *, with_roles: bool
) -> Iterator[Difference]:
    after = _by_name(found.schema_items)
    before = as_the_server_makes_it(_by_name(expected.schema_items), after)
    gone = {name for kind, name in before.keys() - after.keys() if kind in _WHOLE}
    for key in sorted(before.keys() | after.keys()):
        then, now = before.get(key, []), after.get(key, [])
        kind, name = key
        if not now and _is_part_of_any(name, gone):
            continue
        if kind == NOT_NULL and expected.server_major < NAMED_NOT_NULL_SINCE:
            continue
        if kind == INHERITED_COMMENT and not now:
            continue
        if kind in _OF_ROLES and not with_roles:
            continue
        for index in range(max(len(then), len(now))):
            if index >= len(now):
                yield Difference(_aspect(kind), " ".join(key), PRESENT, MISSING)
            elif index >= len(then):
                yield Difference(_aspect(kind), " ".join(key), MISSING, PRESENT)
            elif expected.format_version > 1:
                added = _added_rights(expected, found)
                yield from _item(then[index], now[index], added, with_roles=with_roles)


def _is_part_of_any(name: str, relations: Iterable[str]) -> bool:
    """Columns, constraints and triggers go with their relation, which is named."""
    return any(name.startswith((f"{relation}.", f"{relation} ")) for relation in relations)


def _aspect(kind: str) -> Aspect:
    return _ASPECTS.get(kind, Aspect.SCHEMA)


def _added_rights(expected: DatabaseFacts, found: DatabaseFacts) -> str:
    is_added = expected.server_major < _MAINTAIN_SINCE <= found.server_major
    return _MAINTAIN if is_added else ""


def _by_name(items: Iterable[SchemaItem]) -> Items:
    found = defaultdict(list)
    for item in items:
        found[item.kind, item.name].append(item)
    return found


def _item(
    expected: SchemaItem, found: SchemaItem, added_right: str, *, with_roles: bool
) -> Iterator[Difference]:
    name = f"{expected.kind} {expected.name}"
    aspect = _aspect(expected.kind)
    definitions = expected.definition, found.definition
    yield from changed(aspect, name, *definitions, *map(_shown, definitions))
    then = {each.part: each.text for each in expected.expressions}
    now = {each.part: each.text for each in found.expressions}
    for part in sorted(then.keys() | now.keys()):
        # Not its text: it may hold what is nobody's business.
        digests = _digest(then.get(part)), _digest(now.get(part))
        yield from changed(aspect, f"{name}: {part}", then.get(part), now.get(part), *digests)
    spaces = (each.tablespace or "the database's own" for each in (expected, found))
    yield from changed(Aspect.TABLESPACE, name, *spaces)
    if with_roles:
        yield from _owner(name, expected.owner, found.owner)
        now_granted = [g for g in found.grants if not (added_right and f": {added_right}" in g)]
        yield from granted(name, expected.grants, now_granted)


def _owner(name: str, before: str | None, after: str | None) -> Iterator[Difference]:
    yield from changed(Aspect.OWNER, name, before or "nobody's", after or "nobody's")


def _shown(definition: str) -> str:
    return definition if len(definition) <= _SHOWN else f"{definition[:_SHOWN]} …"


def _digest(text: str | None) -> str:
    if text is None:
        return MISSING
    return f"definition {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _large_objects(
    expected: DatabaseFacts, found: DatabaseFacts, *, with_roles: bool
) -> Iterator[Difference]:
    name = expected.database
    if expected.large_objects != found.large_objects:
        yield Difference(
            Aspect.LARGE_OBJECTS, name, str(expected.large_objects), str(found.large_objects)
        )
        return
    then, now = expected.large_object_content, found.large_object_content
    if then is not None and now is not None and then != now:
        yield Difference(
            Aspect.LARGE_OBJECTS,
            f"content of {name}",
            f"fingerprint {then.fingerprint}",
            f"fingerprint {now.fingerprint}",
        )
    if with_roles and expected.format_version > 1:
        groups = [
            {"; ".join((g.owner, *g.grants)): (g.count, g.numbers) for g in each}
            for each in (expected.large_object_groups, found.large_object_groups)
        ]
        for key in sorted(groups[0].keys() | groups[1].keys()):
            before, after = groups[0].get(key), groups[1].get(key)
            if before != after:
                yield Difference(
                    Aspect.LARGE_OBJECTS,
                    f"of {key}",
                    f"{before[0] if before else 0} objects",
                    f"{after[0] if after else 0} objects",
                )


def _properties(
    expected: DatabaseFacts, found: DatabaseFacts, *, with_roles: bool
) -> Iterator[Difference]:
    before, after = expected.properties, found.properties
    if before is None or after is None:
        return
    name = "database"
    yield from changed(Aspect.TABLESPACE, name, before.tablespace, after.tablespace)
    limits = before.connection_limit, after.connection_limit
    yield from changed(Aspect.LIMIT, f"{name}: connection limit", *limits)
    templates = before.is_template, after.is_template
    yield from changed(Aspect.LIMIT, f"{name}: is a template", *templates)
    yield from changed(
        Aspect.COMMENT,
        name,
        before.comment,
        after.comment,
        "the comment" if before.comment else "none",
        "another one" if after.comment else MISSING,
    )
    yield from entries(Aspect.LABEL, f"{name}: ", before.security_labels, after.security_labels)
    yield from entries(Aspect.SETTING, "", before.settings, after.settings)
    if with_roles:
        yield from _owner(name, before.owner, after.owner)
        yield from granted(name, before.grants, after.grants)
        yield from _role_settings(before, after)


def _role_settings(before: DatabaseProperties, after: DatabaseProperties) -> Iterator[Difference]:
    for role in sorted(before.role_settings.keys() | after.role_settings.keys()):
        yield from entries(
            Aspect.SETTING,
            f"of role {role}: ",
            before.role_settings.get(role, {}),
            after.role_settings.get(role, {}),
        )


def _undecided(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Undecided]:
    there = {(item.kind, item.name) for item in found.schema_items}
    for item in expected.schema_items:
        if item.kind == INHERITED_COMMENT and (item.kind, item.name) not in there:
            yield Undecided(
                Aspect.COMMENT,
                item.name,
                "its comment is in no dump: pg_dump leaves out what a table inherits",
            )
    if expected.format_version == 1:
        yield from _undecided_of_version_1(expected, found)
    elif expected.large_objects and expected.large_object_content is None:
        yield Undecided(
            Aspect.LARGE_OBJECTS,
            expected.database,
            "they were counted, their content not compared: the backup role may not read them",
        )


def _undecided_of_version_1(expected: DatabaseFacts, found: DatabaseFacts) -> Iterator[Undecided]:
    """Facts that knew digests only of what PostgreSQL words as it likes."""
    if expected.server_major != found.server_major:
        yield Undecided(
            Aspect.SCHEMA,
            expected.database,
            f"PostgreSQL {expected.server_major} and {found.server_major} may word definitions"
            " differently: only their names were compared",
        )
    else:
        before, after = _by_name(expected.schema_items), _by_name(found.schema_items)
        for key in sorted(before.keys() & after.keys()):
            if [i.definition for i in before[key]] != [i.definition for i in after[key]]:
                yield Undecided(
                    Aspect.SCHEMA,
                    " ".join(key),
                    "it is worded differently now, and a set of that age does not say how it was"
                    " worded",
                    weighs=True,
                )
    if expected.large_objects:
        yield Undecided(
            Aspect.LARGE_OBJECTS, expected.database, "they were counted, their content not compared"
        )
