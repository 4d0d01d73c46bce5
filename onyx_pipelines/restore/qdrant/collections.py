"""What a set holds of Qdrant: collections with their facts, and the aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import ValidationError

from onyx_pipelines.core.errors import IntegrityError, NotFoundError
from onyx_pipelines.restore.engine import chosen_of
from onyx_pipelines.sources.qdrant.facts import AliasFacts, CollectionFacts
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.manifest import ObjectRecord
from onyx_pipelines.vault.reading import SetObjects

Damage: TypeAlias = IntegrityError | NotFoundError


@dataclass(frozen=True)
class CollectionObjects:
    """One collection of a set: its snapshot, and what it was."""

    name: str
    snapshot: ObjectRecord
    facts: CollectionFacts

    def require_own_snapshot(self) -> None:
        """Raises IntegrityError: the set has another one than its facts are of."""
        if self.snapshot.plain_sha256 != self.facts.snapshot_sha256:
            raise IntegrityError(
                "The snapshot in the set is not the one that was read from the server: its checksum"
                " is another.",
                remedy="Restore it from another set.",
            )


@dataclass(frozen=True)
class SetCollections:
    """`damaged`: those whose facts cannot be read, and why; nothing says what they were."""

    whole: tuple[CollectionObjects, ...]
    damaged: Mapping[str, Damage]


def collections_of(objects: SetObjects, chosen: Sequence[str] = ()) -> SetCollections:
    """Every collection of the set, or the chosen ones.

    Raises:
        NotFoundError: a chosen one is not in the set.
        IntegrityError: the facts of none can be read.
    """
    records = objects.records(Component.QDRANT, prefix="qdrant/", suffix=".snapshot")
    unread = missing_of(objects)
    why = [f" {n} could not be backed up: {unread[n]}" for n in sorted({*chosen} & {*unread})]
    records = chosen_of(records, chosen, "collection", "".join(why))
    whole: list[CollectionObjects] = []
    damaged: dict[str, Damage] = {}
    for record in records:
        try:
            facts = _facts_of(objects, record.name)
        except (IntegrityError, NotFoundError) as error:
            damaged[record.name] = error
        else:
            whole.append(CollectionObjects(record.name, record, facts))
    if damaged and not whole:
        raise next(iter(damaged.values()))
    return SetCollections(tuple(whole), damaged)


def _facts_of(objects: SetObjects, name: str) -> CollectionFacts:
    data = objects.facts(Component.QDRANT, name)
    try:
        return CollectionFacts.model_validate_json(data)
    except ValidationError:
        raise IntegrityError(
            f"What the set says of the collection {name} cannot be understood.",
            remedy="Use the version of this software that made the set, or a newer one.",
        ) from None


def missing_of(objects: SetObjects) -> dict[str, str]:
    """Collections that were there and could not be backed up, and why."""
    record = objects.manifest.component(Component.QDRANT)
    return record.missing if record else {}


def aliases_of(objects: SetObjects) -> dict[str, str]:
    """Collection by alias, as they were.

    Raises:
        NotFoundError, IntegrityError: they are damaged in the set.
    """
    for record in objects.records(Component.QDRANT, prefix="qdrant/aliases", suffix=".json"):
        return AliasFacts.model_validate_json(objects.read(record)).aliases
    return {}
