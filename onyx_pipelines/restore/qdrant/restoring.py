"""The real restore of Qdrant: each collection uploaded beside, compared, and then put in place.

Qdrant cannot rename a collection. Where an alias has the name, it is switched at once. Where a
collection has it, the compared copy stays until the data under that name was replaced and compared
too. Where there is nothing, the collection is made under its name.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from onyx_pipelines.core.errors import (
    IntegrityError,
    NotFoundError,
    OnyxError,
    RestoreError,
    SourceError,
)
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import count_text, stamp_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import (
    Note,
    Placed,
    Placement,
    PlannedChange,
    Restoring,
    Work,
    placements_of,
    sweep,
)
from onyx_pipelines.restore.findings import IN_PLACE, not_restored, outcome
from onyx_pipelines.restore.journal import RestoreJournal
from onyx_pipelines.restore.qdrant.collections import (
    CollectionObjects,
    SetCollections,
    aliases_of,
    collections_of,
    missing_of,
)
from onyx_pipelines.restore.qdrant.indexing import IndexWatch
from onyx_pipelines.restore.qdrant.journaled_server import JournaledServer
from onyx_pipelines.restore.qdrant.leftovers import give_back_aliases, restore_aliases
from onyx_pipelines.restore.qdrant.server import (
    Address,
    TargetQdrant,
    address_of,
    new_name_of,
    open_target,
    peak_in_place_text,
    peak_text,
)
from onyx_pipelines.restore.qdrant.versions import is_older
from onyx_pipelines.restore.results import ComponentResult, Finding, Step
from onyx_pipelines.sources.qdrant.scratch_names import new_scratch_name
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.reading import SetObjects

_DAMAGED: Final = "It is damaged in the set and stays as it is"
_MISSING: Final = "It is not in the set and stays as it is; it could not be backed up"


@dataclass(frozen=True)
class CollectionsRestoration:
    """The chosen collections, and the server that they go to.

    One that cannot be restored does not stop the others: it is `unfinished`, and the same call goes
    on with it.
    """

    objects: SetObjects
    choice: RestoreChoice
    collections: SetCollections
    placements: Sequence[Placement[CollectionObjects]]
    address: Address

    @classmethod
    def of(cls, objects: SetObjects, choice: RestoreChoice, settings: Settings) -> Self:
        found = collections_of(objects, choice.collections)
        placements = placements_of(found.whole, new_name_of(choice), "collection")
        return cls(objects, choice, found, placements, address_of(choice, settings))

    @property
    def identity(self) -> str:
        return self.address.url

    def plan(self) -> list[PlannedChange]:
        """One change for each collection, and one for each alias that would mean another one; what
        the set lacks is told too, as a change that is none."""
        with open_target(self.address) as server:
            aliases, there = server.aliases(), set(server.collections())
            changes = [_change(each, server, aliases, there) for each in self.placements]
            lacking = {n: f"{_DAMAGED}: {e.what}" for n, e in self.collections.damaged.items()}
            if not self.choice.collections:
                missing = sorted(missing_of(self.objects).items())
                lacking |= {name: f"{_MISSING}: {why}" for name, why in missing}
            changes += [
                _no_change(f"collection {name}", why, server) for name, why in lacking.items()
            ]
            if not new_name_of(self.choice):
                names = {each.final_name for each in self.placements}
                try:
                    changes += [
                        _alias_change(alias, name, server, aliases)
                        for alias, name in sorted(aliases_of(self.objects).items())
                        if name in names and aliases.get(alias) != name
                    ]
                except (IntegrityError, NotFoundError) as error:
                    changes.append(_no_change("aliases", f"{_DAMAGED}: {error.what}", server))
        return changes

    def restore(self, work: Work, journal: RestoreJournal) -> ComponentResult:
        began_at = time.monotonic()
        restoring = Restoring(journal)
        with open_target(self.address) as server:
            journaled = JournaledServer(server, work)
            with work.clock.step(Step.PREPARE, "server"):
                _refuse(self.placements, server)
                sweep(journaled.leftovers())
                give_back_aliases(server, journaled.journal)
            for name, damage in self.collections.damaged.items():
                restoring.leave(name, not_restored(name, damage))
            for placement in self.placements:
                try:
                    restoring.run(RestoredCollection(journaled, placement))
                except (SourceError, RestoreError, IntegrityError, NotFoundError) as error:
                    if not server.answers():
                        raise
                    restoring.leave(placement.final_name, not_restored(placement.final_name, error))
            if not new_name_of(self.choice):
                with work.clock.step(Step.RESTORE, "aliases"):
                    for finding in _aliases(server, self.objects, restoring.in_place):
                        restoring.findings.append(finding)
                        if finding.aspect == IN_PLACE:
                            restoring.unfinished.append(finding.item)
            watch = IndexWatch(
                server,
                {
                    each.final_name: each.of_set.facts
                    for each in self.placements
                    if each.final_name in restoring.in_place
                },
            )
            watch.wait(work.settings.restore_qdrant_index_wait_s)
            restoring.findings += watch.findings()
            version = server.version
        if not restoring.findings:
            said = "The set has no collections: nothing was restored."
            restoring.findings.append(outcome(Verdict.PASSED, Component.QDRANT, said))
        is_as_before = watch.is_as_before() and not restoring.unfinished
        return restoring.result(
            work,
            plain_bytes=sum(each.snapshot.plain_bytes for each in self.collections.whole),
            versions={"restore_qdrant": version},
            indexing=watch.found(),
            indexed_after_s=round(time.monotonic() - began_at, 3) if is_as_before else None,
        )


restoration = CollectionsRestoration.of


@dataclass
class RestoredCollection:
    """One that takes the place of what has its name: an alias, a collection, or nothing.

    `_made`: the collection that was made for it, and is taken away unless it is wanted.
    """

    component = Component.QDRANT
    journaled: JournaledServer
    placement: Placement[CollectionObjects]
    _made: str = ""
    _found: Sequence[Finding] = ()

    def __post_init__(self) -> None:
        self.server, self.leftovers = self.journaled.server, self.journaled.journal

    @property
    def name(self) -> str:
        return self.placement.final_name

    @property
    def place(self) -> str:
        return f"collection {self.name}"

    def is_there(self, placed: Placed) -> bool:  # noqa: ARG002  (a server tells none from another)
        return self.name in self.server.aliases() or self.name in self.server.collections()

    def compare_in_place(self, placed: Placed) -> Sequence[Finding]:  # noqa: ARG002  (others need it)
        meant = self.server.aliases().get(self.name, self.name)
        return self.journaled.compare(meant, self.placement.of_set)

    def stage(self) -> None:
        """Beside a collection that is there, else under a name that nothing has."""
        if self.name in self.server.aliases():
            made = f"{self.name}-{stamp_text(datetime.now(UTC))}-{secrets.token_hex(3)}"
        elif self.name in self.server.collections():
            made = new_scratch_name()
        else:
            made = self.name
        self.leftovers.begin(made)
        self._made = made
        self.journaled.upload_as(made, self.placement.of_set)

    def compare(self) -> Sequence[Finding]:
        self._found = self.journaled.compare(self._made, self.placement.of_set)
        return self._found

    def swap(self, note: Note) -> list[Finding]:  # noqa: ARG002  (others need it)
        made, alias = self._made, self.server.aliases().get(self.name)
        what = self.place
        if alias is None and made != self.name:
            self._replace(made)
        else:
            with self._putting_in_place():
                if alias is not None:
                    # What it meant stays, for whoever wants it back.
                    self.server.point_alias(self.name, made, exists=True)
                    what = f"alias {self.name}, which means {made} now; {alias}, which it meant, is"
                    what += " still there"
                give_back_aliases(self.server, self.leftovers)
            self.leftovers.gone(made)
            self._made = ""
        return [outcome(Verdict.PASSED, self.name, f"Put in place: {what}.")]

    def complete(self) -> Sequence[Finding]:
        return ()

    def discard(self) -> None:
        if self._made:
            self.journaled.take_away(self._made)

    def _replace(self, staged: str) -> None:
        """From here on the old data goes. The copy beside is what it can be had from if this goes
        wrong, and stays until it does not."""
        name, collection, step = self.name, self.placement.of_set, "put in place"
        self._made = ""
        try:
            with self._putting_in_place():
                aliases = self.server.aliases()
                self.leftovers.keep_aliases({a: name for a in aliases if aliases[a] == name})
                # Over a collection that is there, it would keep that one's configuration. Its
                # aliases go with it.
                self.server.delete(name)
            self.journaled.upload_as(name, collection, step=step)
            findings = self.journaled.compare(name, collection, step=step)
            with self._putting_in_place():
                give_back_aliases(self.server, self.leftovers)
        except OnyxError as error:
            raise self._half_done(staged, error.what) from error
        # Beside it may have differed too, if that is wanted.
        new = [f.message for f in findings if f.verdict is Verdict.FAILED and f not in self._found]
        if new:
            raise self._half_done(staged, "; ".join(new))
        self._made = staged

    def _putting_in_place(self) -> AbstractContextManager[None]:
        clock = self.journaled.work.clock
        return clock.step(Step.RESTORE, f"{self.placement.of_set.name} (put in place)")

    def _half_done(self, staged: str, what: str) -> RestoreError:
        name = self.name
        return RestoreError(
            f"The collection {name} is not what it should be: {what}"
            f" Its restored data, which was compared, is in the collection {staged}.",
            remedy=f"Run the same restore again. Until then an alias can stand in: delete {name}"
            f" and let an alias of that name mean {staged}.",
        )


def _aliases(server: TargetQdrant, objects: SetObjects, restored: Collection[str]) -> list[Finding]:
    """Of those collections, as they were."""
    try:
        aliases = aliases_of(objects)
    except (IntegrityError, NotFoundError) as error:
        return [not_restored("aliases", error)]
    return restore_aliases(server, aliases, restored)


def _refuse(placements: Sequence[Placement[CollectionObjects]], server: TargetQdrant) -> None:
    """Everything that can be known before anything is touched."""
    server.require_rights()
    for placement in placements:
        version = placement.of_set.facts.server_version
        if is_older(server.version, version):
            raise RestoreError(
                f"The server is Qdrant {server.version}; the snapshot of"
                f" {placement.of_set.name} is of {version}, which it may not read.",
                remedy=f"Restore into Qdrant {version} or newer.",
            )


def _change(
    placement: Placement[CollectionObjects],
    server: TargetQdrant,
    aliases: dict[str, str],
    collections: set[str],
) -> PlannedChange:
    facts, name = placement.of_set.facts, placement.final_name
    size = count_text(facts.snapshot_bytes, "byte")
    sentences = [f"{count_text(facts.points_after, 'point')}, a snapshot of {size}."]
    room = peak_text(facts.snapshot_bytes)
    if name in aliases:
        sentences.append(
            f"{name} is an alias: it is switched to a new collection; {aliases[name]} stays."
        )
    elif name in collections:
        sentences.append(
            f"The one that is there has {count_text(server.count(name), 'point')}. The new data is"
            " uploaded beside and compared first, and stays until it is made anew."
        )
        room = f"up to {peak_in_place_text(facts.snapshot_bytes)}"
    sentences.append(f"The server's disk needs {room}.")
    return PlannedChange(
        what=f"collection {placement.of_set.name}",
        target=f"{name} at {server.url}",
        overwrites=name in aliases or name in collections,
        detail=" ".join(sentences),
    )


def _no_change(what: str, detail: str, server: TargetQdrant) -> PlannedChange:
    target = f"nothing at {server.url}"
    return PlannedChange(what=what, target=target, overwrites=False, detail=detail)


def _alias_change(
    alias: str, collection: str, server: TargetQdrant, aliases: dict[str, str]
) -> PlannedChange:
    return PlannedChange(
        what=f"alias {alias}",
        target=f"{collection} at {server.url}",
        overwrites=alias in aliases,
        detail=f"It means {aliases[alias]} now." if alias in aliases else "It is not there now.",
    )
