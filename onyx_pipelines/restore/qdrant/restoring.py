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

from onyx_pipelines.core.errors import (
    IntegrityError,
    NotFoundError,
    OnyxError,
    RestoreError,
    SourceError,
)
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import stamp_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import Note, Placed, Placement, Restoring, Work, placements_of
from onyx_pipelines.restore.findings import IN_PLACE, not_restored, outcome
from onyx_pipelines.restore.journal import RestoreJournal
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.qdrant.collections import CollectionObjects, aliases_of, collections_of
from onyx_pipelines.restore.qdrant.indexing import IndexWatch
from onyx_pipelines.restore.qdrant.journaled_server import JournaledServer
from onyx_pipelines.restore.qdrant.leftovers import Leftovers, give_back_aliases, restore_aliases
from onyx_pipelines.restore.qdrant.server import TargetQdrant, address_of, new_name_of, open_target
from onyx_pipelines.restore.qdrant.versions import is_older
from onyx_pipelines.restore.results import ComponentResult, Finding, Step, StepClock
from onyx_pipelines.sources.qdrant.scratch_names import new_scratch_name
from onyx_pipelines.sources.source import Component


def target_identity(_: SetObjects, choice: RestoreChoice, settings: Settings) -> str:
    """What tells the server that is restored into from every other. Raises as `plan`."""
    return address_of(choice, settings).url


def restore(work: Work, choice: RestoreChoice, journal: RestoreJournal) -> ComponentResult:
    """Restore the chosen collections. What the journal has is compared again.

    One that cannot be restored does not stop the others: it is `unfinished`, and the same call goes
    on with it.

    Raises:
        NotFoundError, SettingsError: the choice fits neither the set nor this host.
        RestoreError: something is in the way; nothing was touched.
        SourceError: the server does not answer.
        StoreError, KeyFileError: the set cannot be read.
    """
    began_at = time.monotonic()
    collections = collections_of(work.objects, choice.collections)
    placements = placements_of(collections.whole, new_name_of(choice), "collection")
    address = address_of(choice, work.settings)
    restoring = Restoring(journal)
    with open_target(address) as server:
        leftovers = Leftovers(work.settings.state_dir, address.url)
        journaled = JournaledServer(server, leftovers, work)
        with work.clock.step(Step.PREPARE, "server"):
            _refuse(placements, server)
            journaled.recover_interrupted()
            give_back_aliases(server, leftovers)
        for name, damage in collections.damaged.items():
            restoring.leave(name, not_restored(name, damage))
        for placement in placements:
            try:
                restoring.run(
                    RestoredCollection(server, journaled, leftovers, work.clock, placement)
                )
            except (SourceError, RestoreError, IntegrityError, NotFoundError) as error:
                if not server.answers():
                    raise
                restoring.leave(placement.final_name, not_restored(placement.final_name, error))
        if not new_name_of(choice):
            with work.clock.step(Step.RESTORE, "aliases"):
                for finding in _aliases(server, work.objects, restoring.in_place):
                    restoring.findings.append(finding)
                    if finding.aspect == IN_PLACE:
                        restoring.unfinished.append(finding.item)
        watch = IndexWatch(
            server,
            {
                each.final_name: each.of_set.facts
                for each in placements
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
        plain_bytes=sum(each.snapshot.plain_bytes for each in collections.whole),
        versions={"restore_qdrant": version},
        indexing=watch.found(),
        indexed_after_s=round(time.monotonic() - began_at, 3) if is_as_before else None,
    )


@dataclass
class RestoredCollection:
    """One that takes the place of what has its name: an alias, a collection, or nothing.

    `_made`: the collection that was made for it, and is taken away unless it is wanted.
    """

    component = Component.QDRANT
    server: TargetQdrant
    journaled: JournaledServer
    leftovers: Leftovers
    clock: StepClock
    placement: Placement[CollectionObjects]
    _made: str = ""
    _found: Sequence[Finding] = ()

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
        return self.clock.step(Step.RESTORE, f"{self.placement.of_set.name} (put in place)")

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
