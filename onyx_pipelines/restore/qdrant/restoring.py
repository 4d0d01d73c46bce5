"""The real restore of Qdrant: each collection uploaded beside, compared, and then put in place.

Qdrant cannot rename a collection. Where an alias has the name, it is switched at once. Where a
collection has it, the compared copy stays until the data under that name was replaced and compared
too. Where there is nothing, the collection is made under its name.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import asdict
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
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.qdrant.alias_restoring import give_back_aliases, restore_aliases
from onyx_pipelines.restore.qdrant.collections import (
    aliases_of,
    collections_of,
)
from onyx_pipelines.restore.qdrant.indexing import IndexWatch
from onyx_pipelines.restore.qdrant.journaled_server import JournaledServer
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
from onyx_pipelines.restore.qdrant.restore_journal import RestoreJournal
from onyx_pipelines.restore.qdrant.server import TargetQdrant, open_target
from onyx_pipelines.restore.qdrant.versions import is_older
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step
from onyx_pipelines.restore.verdict import Verdict, worst
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.source import Component


def restore(
    objects: SetObjects,
    request: QdrantRestoreRequest,
    clock: StepClock,
    workdir: Path,  # noqa: ARG001  (nothing is kept on this host's disk)
    settings: Settings,
    progress: ProgressCallback,
) -> ComponentDrill:
    """Restore the chosen collections. The same call after an interruption goes on.

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
        journal = RestoreJournal(
            settings.state_dir, address.url, _identity(objects, request, address.url)
        )
        journaled = JournaledServer(server, journal, objects, clock, progress)
        with clock.step(Step.PREPARE, "server"):
            _refuse(request, placements, server, journal)
            journaled.sweep()
            give_back_aliases(server, journal)
        restoring = _Restoring(server, journaled, journal, clock)
        findings = [not_restored(*each) for each in collections.damaged.items()]
        findings += [f for each in placements for f in restoring.finish(each)]
        unfinished = [*collections.damaged, *_unfinished(placements, journal)]
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
        if not unfinished:
            journal.close()
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
        journal: RestoreJournal,
        clock: StepClock,
    ) -> None:
        self._server = server
        self._journaled = journaled
        self._journal = journal
        self._clock = clock

    def finish(self, placement: Placement) -> tuple[Finding, ...]:
        """Unless an earlier call has done so.

        Raises:
            SourceError: the server does not answer any more.
            StoreError: the set cannot be read.
        """
        name = placement.final_name
        findings = self._journal.finished(name)
        if findings is None:
            try:
                findings = self._place(placement)
            except (SourceError, RestoreError, IntegrityError, NotFoundError) as error:
                if not self._server.answers():
                    raise
                return (not_restored(name, error),)
            self._journal.add(name, findings)
        return findings

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
        self._journal.begin(name)
        try:
            findings = self._journaled.restore_as(name, placement.collection)
            if _failed(findings):
                return (*findings, not_in_place(placement.final_name))
            with self._clock.step(Step.RESTORE, f"{placement.collection.name} (put in place)"):
                publish()
                give_back_aliases(self._server, self._journal)
            self._journal.gone(name)
            return (*findings, in_place(placement.final_name, what or f"collection {name}"))
        finally:
            if name in self._journal.beside:
                self._journaled.take_away(name)

    def _over_a_collection(self, placement: Placement) -> tuple[Finding, ...]:
        name = placement.final_name
        beside = self._journaled.begin_beside()
        is_needed = False
        try:
            findings = self._journaled.restore_as(beside, placement.collection)
            if _failed(findings):
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
                self._journal.keep_aliases({a: name for a in aliases if aliases[a] == name})
                # Over a collection that is there, it would keep that one's configuration. Its
                # aliases go with it.
                self._server.delete(name)
            findings = self._journaled.restore_as(name, placement.collection, step="put in place")
            with self._clock.step(Step.RESTORE, f"{placement.collection.name} (put in place)"):
                give_back_aliases(self._server, self._journal)
        except OnyxError as error:
            raise self._half_done(name, beside, error.what) from error
        if _failed(findings):
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
    journal: RestoreJournal,
) -> None:
    """Everything that can be known before anything is touched."""
    server.require_rights()
    there = {*server.collections(), *server.aliases()} - set(journal.beside)
    for placement in placements:
        version = placement.collection.facts.server_version
        if is_older(server.version, version):
            raise RestoreError(
                f"The server is Qdrant {server.version}; the snapshot of"
                f" {placement.collection.name} is of {version}, which it may not read.",
                remedy=f"Restore into Qdrant {version} or newer.",
            )
        name = placement.final_name
        if name in there and not request.replace and journal.finished(name) is None:
            raise RestoreError(
                f"There is a collection or alias {name} already.",
                remedy="Ask for it to be replaced, or give the restored one another name.",
            )


def _failed(findings: tuple[Finding, ...]) -> bool:
    return worst(finding.verdict for finding in findings) is Verdict.FAILED


def _identity(objects: SetObjects, request: QdrantRestoreRequest, url: str) -> str:
    asked = {name: value for name, value in asdict(request).items() if name != "api_key"}
    text = repr((objects.manifest.backup_id, asked, url))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _unfinished(placements: list[Placement], journal: RestoreJournal) -> list[str]:
    return [p.final_name for p in placements if journal.finished(p.final_name) is None]
