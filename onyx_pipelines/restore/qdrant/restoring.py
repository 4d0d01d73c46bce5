"""The real restore of Qdrant: each collection uploaded beside, compared, and then put in place.

Qdrant cannot rename a collection. Where an alias has the name, it is switched at once. Where a
collection has it, the compared copy stays until the data under that name was replaced and compared
too. Where there is nothing, the collection is made under its name.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from onyx_pipelines.errors import RestoreError, SourceError
from onyx_pipelines.progress import Meter, ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.qdrant.alias_restoring import restore_aliases
from onyx_pipelines.restore.qdrant.collections import (
    CollectionObjects,
    aliases_of,
    collections_of,
)
from onyx_pipelines.restore.qdrant.comparison import compare_collection
from onyx_pipelines.restore.qdrant.requests import (
    Placement,
    QdrantRestoreRequest,
    address_of,
    placements_of,
)
from onyx_pipelines.restore.qdrant.restore_journal import RestoreJournal
from onyx_pipelines.restore.qdrant.server import TargetQdrant, open_target
from onyx_pipelines.restore.qdrant.versions import is_older, same_minor
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step
from onyx_pipelines.restore.verdict import Verdict, worst
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.qdrant.facts import CollectionFacts
from onyx_pipelines.sources.qdrant.scratch_names import is_scratch, new_scratch_name
from onyx_pipelines.sources.source import Component
from onyx_pipelines.telemetry import logger

_OF_AN_ALIAS: Final = re.compile(r"-\d{8}T\d{6}-[0-9a-f]{6}$")
_log = logger("restore")


def restore(
    objects: SetObjects,
    request: QdrantRestoreRequest,
    clock: StepClock,
    workdir: Path,  # noqa: ARG001  (nothing is kept on this host's disk)
    settings: Settings,
    progress: ProgressCallback,
) -> ComponentDrill:
    """Restore the chosen collections. The same call after an interruption goes on.

    Raises:
        NotFoundError, SettingsError: the request fits neither the set nor this host.
        RestoreError: something is in the way; what was there is there, unless the text says more.
        SourceError: the server does not answer or does not take it.
        StoreError, KeyFileError: the set cannot be read.
    """
    begun = len(clock.timings())
    collections = collections_of(objects, request.collections)
    placements = placements_of(request, collections)
    address = address_of(request, settings)
    findings: list[Finding] = []
    with open_target(address) as server:
        journal = RestoreJournal(
            settings.state_dir, address.url, _identity(objects, request, address.url)
        )
        with clock.step(Step.PREPARE, "server"):
            _refuse(request, placements, server, journal)
            sweep(server, journal)
        restoring = _Restoring(objects, server, journal, clock, progress)
        for placement in placements:
            earlier = journal.finished(placement.final_name)
            if earlier is None:
                earlier = restoring.place(placement)
                journal.add(placement.final_name, earlier)
            findings += earlier
        if not request.collection_as:
            with clock.step(Step.RESTORE, "aliases"):
                findings += restore_aliases(server, aliases_of(objects), placements, findings)
        journal.close()
        version = server.version
    record = objects.manifest.component(Component.QDRANT)
    return ComponentDrill(
        component=Component.QDRANT,
        findings=tuple(findings) or (_nothing_to_restore(),),
        steps=clock.timings()[begun:],
        plain_bytes=sum(each.snapshot.plain_bytes for each in collections),
        versions={**(record.versions if record else {}), "restore_qdrant": version},
    )


def sweep(server: TargetQdrant, journal: RestoreJournal) -> None:
    """Delete what an interrupted restore or drill left under names that are only ours.

    What was being made under its own name stays: somebody may have mended it, and this restore
    puts the data there anyway.
    """
    for name in journal.beside:
        if is_scratch(name) or _OF_AN_ALIAS.search(name):
            _log.warning("left by an interrupted restore, deleted: collection %s", name)
            server.delete(name)
        journal.gone(name)


def compare_restored(server: TargetQdrant, name: str, facts: CollectionFacts) -> list[Finding]:
    """What the server has under that name, with what was backed up."""
    found = server.read(name, facts)
    return compare_collection(
        facts,
        found.config,
        found.payload_schema,
        found.answer,
        of_another_version=not same_minor(server.version, facts.server_version),
    )


class _Restoring:
    """Restores one collection after the other into the same server."""

    def __init__(
        self,
        objects: SetObjects,
        server: TargetQdrant,
        journal: RestoreJournal,
        clock: StepClock,
        progress: ProgressCallback,
    ) -> None:
        self._objects = objects
        self._server = server
        self._journal = journal
        self._clock = clock
        self._progress = progress

    def place(self, placement: Placement) -> tuple[Finding, ...]:
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
            findings = self._upload(placement.collection, name)
            if _failed(findings):
                return (*findings, _not_in_place(placement))
            with self._clock.step(Step.RESTORE, f"{placement.collection.name} (put in place)"):
                publish()
            self._journal.gone(name)
            return (*findings, _in_place(placement, what or f"collection {name}"))
        finally:
            if name in self._journal.beside:
                self._take_away(name)

    def _over_a_collection(self, placement: Placement) -> tuple[Finding, ...]:
        name = placement.final_name
        beside = new_scratch_name()
        self._journal.begin(beside)
        is_needed = False
        try:
            findings = self._upload(placement.collection, beside)
            if _failed(findings):
                return (*findings, _not_in_place(placement))
            # The copy beside is what the data can be had from if this goes wrong.
            is_needed = True
            self._replace(placement, beside)
            is_needed = False
            return (*findings, _in_place(placement, f"collection {name}"))
        finally:
            if not is_needed:
                self._take_away(beside)

    def _replace(self, placement: Placement, beside: str) -> None:
        """From here on the old data goes."""
        name = placement.final_name
        try:
            aliases = [a for a, target in self._server.aliases().items() if target == name]
            # Over a collection that is there, it would keep that one's configuration. Its aliases
            # go with it.
            self._server.delete(name)
            findings = self._upload(placement.collection, name, step="put in place")
            for alias in aliases:
                self._server.point_alias(alias, name, exists=False)
        except SourceError as error:
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

    def _upload(
        self, collection: CollectionObjects, name: str, *, step: str = ""
    ) -> tuple[Finding, ...]:
        """Upload under `name` and compare what the server has there then."""
        size = collection.snapshot.plain_bytes
        item = f"{collection.name} ({step})" if step else collection.name
        meter = Meter(self._progress, component=Component.QDRANT, item=item, total_bytes=size)
        with (
            self._clock.step(Step.RESTORE, item, plain_bytes=size),
            self._objects.open(collection.snapshot) as reader,
        ):
            self._server.upload(name, collection, reader, meter)
        with self._clock.step(Step.COMPARE, item):
            return tuple(compare_restored(self._server, name, collection.facts))

    def _take_away(self, beside: str) -> None:
        with self._clock.step(Step.CLEAN_UP, beside):
            try:
                self._server.delete(beside)
            except SourceError as error:
                _log.warning("%s is left for the next restore: %s", beside, error.what)
            else:
                self._journal.gone(beside)


def _refuse(
    request: QdrantRestoreRequest,
    placements: list[Placement],
    server: TargetQdrant,
    journal: RestoreJournal,
) -> None:
    """Everything that can be known before anything is touched."""
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


def _in_place(placement: Placement, what: str) -> Finding:
    return Finding(
        verdict=Verdict.PASSED,
        item=placement.final_name,
        aspect="in place",
        message=f"Put in place: {what}.",
    )


def _not_in_place(placement: Placement) -> Finding:
    return Finding(
        verdict=Verdict.FAILED,
        item=placement.final_name,
        aspect="in place",
        message=f"Not put in place: collection {placement.final_name}; what was there is as it"
        " was.",
    )


def _nothing_to_restore() -> Finding:
    return Finding(
        verdict=Verdict.PASSED,
        item=Component.QDRANT,
        aspect="in place",
        message="The set has no collections: nothing was restored.",
    )
