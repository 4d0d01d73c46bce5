"""What a restore of Qdrant would do, for a person who decides. Reads only."""

from __future__ import annotations

from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.planned_change import PlannedChange
from onyx_pipelines.restore.qdrant.collections import aliases_of, collections_of, missing_of
from onyx_pipelines.restore.qdrant.requests import (
    Placement,
    QdrantRestoreRequest,
    address_of,
    placements_of,
)
from onyx_pipelines.restore.qdrant.server import TargetQdrant, open_target
from onyx_pipelines.restore.qdrant.server_room import peak_in_place_text, peak_text
from onyx_pipelines.settings import Settings


def plan(
    objects: SetObjects, request: QdrantRestoreRequest, settings: Settings
) -> list[PlannedChange]:
    """One change for each collection, and one for each alias that would mean another one; what the
    set lacks is told too, as a change that is none.

    Raises:
        NotFoundError, SettingsError: the request fits neither the set nor this host.
        SourceError: the server does not answer.
        IntegrityError, StoreError, KeyFileError: the set cannot be read.
    """
    placements = placements_of(request, collections_of(objects, request.collections))
    with open_target(address_of(request, settings)) as server:
        aliases, collections = server.aliases(), set(server.collections())
        changes = [_change(each, server, aliases, collections) for each in placements]
        if not request.collections:
            lacks = sorted(missing_of(objects).items())
            changes += [_no_change(name, why, server) for name, why in lacks]
        if not request.collection_as:
            names = {each.final_name for each in placements}
            changes += [
                _alias_change(alias, name, server, aliases)
                for alias, name in sorted(aliases_of(objects).items())
                if name in names and aliases.get(alias) != name
            ]
    return changes


def _change(
    placement: Placement, server: TargetQdrant, aliases: dict[str, str], collections: set[str]
) -> PlannedChange:
    facts, name = placement.collection.facts, placement.final_name
    sentences = [f"{facts.points_after:,} points, a snapshot of {facts.snapshot_bytes:,} bytes."]
    room = peak_text(facts.snapshot_bytes)
    if name in aliases:
        sentences.append(
            f"{name} is an alias: it is switched to a new collection; {aliases[name]} stays."
        )
    elif name in collections:
        sentences.append(
            f"The one that is there has {server.count(name):,} points. The new data is uploaded"
            " beside and compared first, and stays until it is made anew."
        )
        room = f"up to {peak_in_place_text(facts.snapshot_bytes)}"
    sentences.append(f"The server's disk needs {room}.")
    return PlannedChange(
        what=f"collection {placement.collection.name}",
        target=f"{name} at {server.url}",
        overwrites=name in aliases or name in collections,
        detail=" ".join(sentences),
    )


def _no_change(name: str, why: str, server: TargetQdrant) -> PlannedChange:
    return PlannedChange(
        what=f"collection {name}",
        target=f"{name} at {server.url}",
        overwrites=False,
        detail=f"It is not in the set and stays as it is; it could not be backed up: {why}",
    )


def _alias_change(
    alias: str, collection: str, server: TargetQdrant, aliases: dict[str, str]
) -> PlannedChange:
    return PlannedChange(
        what=f"alias {alias}",
        target=f"{collection} at {server.url}",
        overwrites=alias in aliases,
        detail=f"It means {aliases[alias]} now." if alias in aliases else "It is not there now.",
    )
