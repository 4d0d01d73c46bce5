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
from pathlib import Path

from onyx_pipelines.errors import (
    IntegrityError,
    NotFoundError,
    OnyxError,
    RestoreError,
    SourceError,
)
from onyx_pipelines.progress import ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.engine import IN_PLACE, Note, Placed, Restoring, outcome
from onyx_pipelines.restore.journal import RestoreJournal
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.qdrant.alias_restoring import give_back_aliases, restore_aliases
from onyx_pipelines.restore.qdrant.collections import (
    aliases_of,
    collections_of,
)
from onyx_pipelines.restore.qdrant.indexing import IndexWatch
from onyx_pipelines.restore.qdrant.journaled_server import JournaledServer
from onyx_pipelines.restore.qdrant.leftovers import Leftovers
from onyx_pipelines.restore.qdrant.requests import (
    Placement,
    QdrantRestoreRequest,
    address_of,
    placements_of,
)
from onyx_pipelines.restore.qdrant.restore_findings import not_restored, nothing_to_restore
from onyx_pipelines.restore.qdrant.server import TargetQdrant, open_target
from onyx_pipelines.restore.qdrant.versions import is_older
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.qdrant.scratch_names import new_scratch_name
from onyx_pipelines.sources.source import Component


def target_identity(request: QdrantRestoreRequest, settings: Settings) -> str:
    """What tells the server that is restored into from every other. Raises as `plan`."""
    return address_of(request, settings).url


def restore(
    objects: SetObjects,
    request: QdrantRestoreRequest,
    clock: StepClock,
    workdir: Path,  # noqa: ARG001  (nothing is kept on this host's disk)
    settings: Settings,
    progress: ProgressCallback,
    journal: RestoreJournal,
) -> ComponentDrill:
    """Restore the chosen collections. What the journal has is compared again.

    One that cannot be restored does not stop the others: it is `unfinished`, and the same call goes
    on with it.

    Raises:
        NotFoundError, SettingsError: the request fits neither the set nor this host.
        RestoreError: something is in the way; nothing was touched.
        SourceError: the server does not answer.
        StoreError, KeyFileError: the set cannot be read.
    """
    begun, began_at = len(clock.timings()), time.monotonic()
    collections = collections_of(objects, request.collections)
    placements = placements_of(request, collections.whole)
    address = address_of(request, settings)
    with open_target(address) as server:
        leftovers = Leftovers(settings.state_dir, address.url)
        journaled = JournaledServer(server, leftovers, objects, clock, progress)
        with clock.step(Step.PREPARE, "server"):
            _refuse(request, placements, server, leftovers, journal)
            journaled.sweep()
            give_back_aliases(server, leftovers)
        restoring = Restoring(journal)
        for name, damage in collections.damaged.items():
            restoring.leave(name, not_restored(name, damage))
        for placement in placements:
            try:
                restoring.run(RestoredCollection(server, journaled, leftovers, clock, placement))
            except (SourceError, RestoreError, IntegrityError, NotFoundError) as error:
                if not server.answers():
                    raise
                restoring.leave(placement.final_name, not_restored(placement.final_name, error))
        if not request.collection_as:
            with clock.step(Step.RESTORE, "aliases"):
                for finding in _aliases(server, objects, restoring.in_place):
                    restoring.findings.append(finding)
                    if finding.aspect == IN_PLACE:
                        restoring.unfinished.append(finding.item)
        watch = IndexWatch(
            server,
            {
                each.final_name: each.collection.facts
                for each in placements
                if each.final_name in restoring.in_place
            },
        )
        watch.wait(settings.restore_qdrant_index_wait_s)
        findings = (*restoring.findings, *watch.findings())
        version = server.version
    record = objects.manifest.component(Component.QDRANT)
    is_as_before = watch.is_as_before() and not restoring.unfinished
    return ComponentDrill(
        component=Component.QDRANT,
        findings=findings or (nothing_to_restore(),),
        steps=clock.timings()[begun:],
        plain_bytes=sum(each.snapshot.plain_bytes for each in collections.whole),
        versions={**(record.versions if record else {}), "restore_qdrant": version},
        unfinished=tuple(restoring.unfinished),
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
    placement: Placement
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
        return self.journaled.compare(meant, self.placement.collection)

    def stage(self) -> None:
        """Beside a collection that is there, else under a name that nothing has."""
        if self.name in self.server.aliases():
            made = f"{self.name}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        elif self.name in self.server.collections():
            made = new_scratch_name()
        else:
            made = self.name
        self.leftovers.begin(made)
        self._made = made
        self.journaled.upload_as(made, self.placement.collection)

    def compare(self) -> Sequence[Finding]:
        self._found = self.journaled.compare(self._made, self.placement.collection)
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

    def _replace(self, beside: str) -> None:
        """From here on the old data goes. The copy beside is what it can be had from if this goes
        wrong, and stays until it does not."""
        name, collection, step = self.name, self.placement.collection, "put in place"
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
            raise self._half_done(beside, error.what) from error
        # Beside it may have differed too, if that is wanted.
        new = [f.message for f in findings if f.verdict is Verdict.FAILED and f not in self._found]
        if new:
            raise self._half_done(beside, "; ".join(new))
        self._made = beside

    def _putting_in_place(self) -> AbstractContextManager[None]:
        return self.clock.step(Step.RESTORE, f"{self.placement.collection.name} (put in place)")

    def _half_done(self, beside: str, what: str) -> RestoreError:
        name = self.name
        return RestoreError(
            f"The collection {name} is not what it should be: {what}"
            f" Its restored data, which was compared, is in the collection {beside}.",
            remedy=f"Run the same restore again. Until then an alias can stand in: delete {name}"
            f" and let an alias of that name mean {beside}.",
        )


def _aliases(server: TargetQdrant, objects: SetObjects, restored: Collection[str]) -> list[Finding]:
    """Of those collections, as they were."""
    try:
        aliases = aliases_of(objects)
    except (IntegrityError, NotFoundError) as error:
        return [not_restored("aliases", error)]
    return restore_aliases(server, aliases, restored)


def _refuse(
    request: QdrantRestoreRequest,
    placements: list[Placement],
    server: TargetQdrant,
    leftovers: Leftovers,
    journal: RestoreJournal,
) -> None:
    """Everything that can be known before anything is touched."""
    server.require_rights()
    there = {*server.collections(), *server.aliases()} - set(leftovers.beside)
    for placement in placements:
        version = placement.collection.facts.server_version
        if is_older(server.version, version):
            raise RestoreError(
                f"The server is Qdrant {server.version}; the snapshot of"
                f" {placement.collection.name} is of {version}, which it may not read.",
                remedy=f"Restore into Qdrant {version} or newer.",
            )
        name = placement.final_name
        is_ours = journal.finished(Component.QDRANT, name) is not None
        if name in there and not request.replace and not is_ours:
            raise RestoreError(
                f"There is a collection or alias {name} already.",
                remedy="Ask for it to be replaced, or give the restored one another name.",
            )
