"""The real restore of Qdrant: each collection uploaded beside, compared, and then put in place.

Qdrant cannot rename a collection. Where an alias has the name, it is switched at once. Where a
collection has it, the compared copy stays until the data under that name was replaced and compared
too. Where there is nothing, the collection is made under its name.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection
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
from onyx_pipelines.restore.journal import RestoreJournal, despite_differences, still_the_same
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
from onyx_pipelines.restore.qdrant.restore_findings import (
    in_place,
    is_in_place,
    is_not_in_place,
    not_in_place,
    not_restored,
    nothing_to_restore,
)
from onyx_pipelines.restore.qdrant.server import TargetQdrant, open_target
from onyx_pipelines.restore.qdrant.versions import is_older
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.settings import Settings
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
        restoring = _Restoring(server, journaled, leftovers, clock, journal)
        findings = [not_restored(*each) for each in collections.damaged.items()]
        findings += [f for each in placements for f in restoring.finish(each)]
        unfinished = [*collections.damaged, *restoring.unfinished]
        in_place_now = {f.item for f in findings if is_in_place(f)}
        if not request.collection_as:
            of_aliases = restoring.aliases(objects, in_place_now)
            findings += of_aliases
            unfinished += [f.item for f in of_aliases if is_not_in_place(f)]
        watch = IndexWatch(
            server,
            {p.final_name: p.collection.facts for p in placements if p.final_name in in_place_now},
        )
        watch.wait(settings.restore_qdrant_index_wait_s)
        findings += watch.findings()
        version = server.version
    record = objects.manifest.component(Component.QDRANT)
    is_as_before = watch.is_as_before() and not unfinished
    return ComponentDrill(
        component=Component.QDRANT,
        findings=tuple(findings) or (nothing_to_restore(),),
        steps=clock.timings()[begun:],
        plain_bytes=sum(each.snapshot.plain_bytes for each in collections.whole),
        versions={**(record.versions if record else {}), "restore_qdrant": version},
        unfinished=tuple(unfinished),
        indexing=watch.found(),
        indexed_after_s=round(time.monotonic() - began_at, 3) if is_as_before else None,
    )


class _Restoring:
    """Restores one collection after the other into the same server."""

    def __init__(
        self,
        server: TargetQdrant,
        journaled: JournaledServer,
        leftovers: Leftovers,
        clock: StepClock,
        journal: RestoreJournal,
    ) -> None:
        self._server = server
        self._journaled = journaled
        self._leftovers = leftovers
        self._clock = clock
        self._journal = journal
        self.unfinished: list[str] = []

    def finish(self, placement: Placement) -> tuple[Finding, ...]:
        """One that an earlier call has put in place is compared with what it was.

        Raises:
            SourceError: the server does not answer any more.
            StoreError: the set cannot be read.
        """
        name = placement.final_name
        earlier = self._journal.finished(Component.QDRANT, name)
        try:
            if earlier is not None and self._is_there(name):
                now = self._journaled.compare(placement.collection, self._meaning(name))
                return still_the_same(earlier, now)
            findings = self._place(placement)
        except (SourceError, RestoreError, IntegrityError, NotFoundError) as error:
            if not self._server.answers():
                raise
            self.unfinished.append(name)
            return (not_restored(name, error),)
        self._journal.add(Component.QDRANT, name, findings)
        if not any(is_in_place(finding) for finding in findings):
            self.unfinished.append(name)
            return findings
        return (*findings, *despite_differences(name, findings))

    def _is_there(self, name: str) -> bool:
        return name in self._server.aliases() or name in self._server.collections()

    def _meaning(self, name: str) -> str:
        return self._server.aliases().get(name, name)

    def aliases(self, objects: SetObjects, restored: Collection[str]) -> list[Finding]:
        """Of those collections, as they were."""
        with self._clock.step(Step.RESTORE, "aliases"):
            try:
                aliases = aliases_of(objects)
            except (IntegrityError, NotFoundError) as error:
                return [not_restored("aliases", error)]
            return restore_aliases(self._server, aliases, restored)

    def _place(self, placement: Placement) -> tuple[Finding, ...]:
        """Into place if it is the same; what fails leaves what was there."""
        name = placement.final_name
        if name in self._server.aliases():
            return self._behind_an_alias(placement)
        if name in self._server.collections():
            return self._over_a_collection(placement)
        return self._anew(placement, name, lambda: None)

    def _behind_an_alias(self, placement: Placement) -> tuple[Finding, ...]:
        """The collection that the alias meant stays, for whoever wants it back."""
        alias = placement.final_name
        before = self._server.aliases()[alias]
        name = f"{alias}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        return self._anew(
            placement,
            name,
            lambda: self._server.point_alias(alias, name, exists=True),
            f"alias {alias}, which means {name} now; {before}, which it meant, is still there",
        )

    def _anew(
        self,
        placement: Placement,
        name: str,
        publish: Callable[[], None],
        what: str = "",
    ) -> tuple[Finding, ...]:
        """Under a name that nothing has."""
        self._leftovers.begin(name)
        try:
            findings = self._journaled.restore_as(name, placement.collection)
            if not self._journal.lets_pass(findings):
                return (*findings, not_in_place(placement.final_name))
            with self._clock.step(Step.RESTORE, f"{placement.collection.name} (put in place)"):
                publish()
                give_back_aliases(self._server, self._leftovers)
            self._leftovers.gone(name)
            return (*findings, in_place(placement.final_name, what or f"collection {name}"))
        finally:
            if name in self._leftovers.beside:
                self._journaled.take_away(name)

    def _over_a_collection(self, placement: Placement) -> tuple[Finding, ...]:
        name = placement.final_name
        beside = self._journaled.begin_beside()
        is_needed = False
        try:
            findings = self._journaled.restore_as(beside, placement.collection)
            if not self._journal.lets_pass(findings):
                return (*findings, not_in_place(placement.final_name))
            # The copy beside is what the data can be had from if this goes wrong.
            is_needed = True
            self._replace(placement, beside)
            is_needed = False
            return (*findings, in_place(name, f"collection {name}"))
        finally:
            if not is_needed:
                self._journaled.take_away(beside)

    def _replace(self, placement: Placement, beside: str) -> None:
        """From here on the old data goes."""
        name = placement.final_name
        try:
            with self._clock.step(Step.RESTORE, f"{placement.collection.name} (put in place)"):
                aliases = self._server.aliases()
                self._leftovers.keep_aliases({a: name for a in aliases if aliases[a] == name})
                # Over a collection that is there, it would keep that one's configuration. Its
                # aliases go with it.
                self._server.delete(name)
            findings = self._journaled.restore_as(name, placement.collection, step="put in place")
            with self._clock.step(Step.RESTORE, f"{placement.collection.name} (put in place)"):
                give_back_aliases(self._server, self._leftovers)
        except OnyxError as error:
            raise self._half_done(name, beside, error.what) from error
        if not self._journal.lets_pass(findings):
            what = "; ".join(f.message for f in findings if f.verdict is Verdict.FAILED)
            raise self._half_done(name, beside, what)

    def _half_done(self, name: str, beside: str, what: str) -> RestoreError:
        return RestoreError(
            f"The collection {name} is not what it should be: {what}"
            f" Its restored data, which was compared, is in the collection {beside}.",
            remedy=f"Run the same restore again. Until then an alias can stand in: delete {name}"
            f" and let an alias of that name mean {beside}.",
        )


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
