"""What a restore of Qdrant would do, for a person who decides. Reads only."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.core.errors import IntegrityError, NotFoundError
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import Placement, PlannedChange, placements_of
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.qdrant.collections import (
    CollectionObjects,
    aliases_of,
    collections_of,
    missing_of,
)
from onyx_pipelines.restore.qdrant.server import (
    TargetQdrant,
    address_of,
    new_name_of,
    open_target,
    peak_in_place_text,
    peak_text,
)

_DAMAGED: Final = "It is damaged in the set and stays as it is"
_MISSING: Final = "It is not in the set and stays as it is; it could not be backed up"


def plan(objects: SetObjects, choice: RestoreChoice, settings: Settings) -> list[PlannedChange]:
    """One change for each collection, and one for each alias that would mean another one; what the
    set lacks is told too, as a change that is none.

    Raises:
        NotFoundError, SettingsError: the choice fits neither the set nor this host.
        SourceError: the server does not answer.
        IntegrityError, StoreError, KeyFileError: the set cannot be read.
    """
    of_set = collections_of(objects, choice.collections)
    placements = placements_of(of_set.whole, new_name_of(choice), "collection")
    with open_target(address_of(choice, settings)) as server:
        aliases, collections = server.aliases(), set(server.collections())
        changes = [_change(each, server, aliases, collections) for each in placements]
        changes += [
            _no_change(f"collection {name}", f"{_DAMAGED}: {error.what}", server.url)
            for name, error in of_set.damaged.items()
        ]
        if not choice.collections:
            changes += [
                _no_change(f"collection {name}", f"{_MISSING}: {why}", server.url)
                for name, why in sorted(missing_of(objects).items())
            ]
        if not new_name_of(choice):
            names = {each.final_name for each in placements}
            try:
                changes += [
                    _alias_change(alias, name, server, aliases)
                    for alias, name in sorted(aliases_of(objects).items())
                    if name in names and aliases.get(alias) != name
                ]
            except (IntegrityError, NotFoundError) as error:
                changes.append(_no_change("aliases", f"{_DAMAGED}: {error.what}", server.url))
    return changes


def _change(
    placement: Placement[CollectionObjects],
    server: TargetQdrant,
    aliases: dict[str, str],
    collections: set[str],
) -> PlannedChange:
    facts, name = placement.of_set.facts, placement.final_name
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
        what=f"collection {placement.of_set.name}",
        target=f"{name} at {server.url}",
        overwrites=name in aliases or name in collections,
        detail=" ".join(sentences),
    )


def _no_change(what: str, detail: str, url: str) -> PlannedChange:
    return PlannedChange(what=what, target=f"nothing at {url}", overwrites=False, detail=detail)


def _alias_change(
    alias: str, collection: str, server: TargetQdrant, aliases: dict[str, str]
) -> PlannedChange:
    return PlannedChange(
        what=f"alias {alias}",
        target=f"{collection} at {server.url}",
        overwrites=alias in aliases,
        detail=f"It means {aliases[alias]} now." if alias in aliases else "It is not there now.",
    )
