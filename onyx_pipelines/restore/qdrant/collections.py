"""What a set holds of Qdrant: collections with their facts, and the aliases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onyx_pipelines.errors import NotFoundError
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.sources.qdrant.facts import AliasFacts, CollectionFacts
from onyx_pipelines.sources.source import Component, object_path
from onyx_pipelines.vault.layout import SEALED_SUFFIX
from onyx_pipelines.vault.manifest import ObjectRecord


@dataclass(frozen=True)
class CollectionObjects:
    """One collection of a set: its snapshot, and what it was."""

    name: str
    snapshot: ObjectRecord
    facts: CollectionFacts


def collections_of(objects: SetObjects, chosen: Sequence[str] = ()) -> list[CollectionObjects]:
    """Every collection of the set, or the chosen ones.

    Raises:
        NotFoundError: a chosen one is not in the set.
    """
    found = []
    for record in objects.records(Component.QDRANT, prefix="qdrant/"):
        if record.key.endswith(".snapshot" + SEALED_SUFFIX):
            key = object_path("facts", "qdrant", record.name, suffix=".json") + SEALED_SUFFIX
            facts = CollectionFacts.model_validate_json(
                objects.read(objects.record(Component.QDRANT, key))
            )
            found.append(CollectionObjects(record.name, record, facts))
    missing = set(chosen) - {each.name for each in found}
    if missing:
        unread = missing_of(objects)
        reasons = [f" {n} could not be backed up: {unread[n]}" for n in sorted(missing & {*unread})]
        raise NotFoundError(
            f"The set has no collection {', '.join(sorted(missing))}.{''.join(reasons)}",
            remedy=f"It has: {', '.join(each.name for each in found) or 'none'}.",
        )
    return [each for each in found if not chosen or each.name in chosen]


def missing_of(objects: SetObjects) -> dict[str, str]:
    """Collections that were there and could not be backed up, and why."""
    record = objects.manifest.component(Component.QDRANT)
    return record.missing if record else {}


def aliases_of(objects: SetObjects) -> dict[str, str]:
    """Collection by alias, as they were."""
    key = object_path("qdrant", "aliases", suffix=".json") + SEALED_SUFFIX
    for record in objects.records(Component.QDRANT, prefix=key):
        if record.key == key:
            return AliasFacts.model_validate_json(objects.read(record)).aliases
    return {}
