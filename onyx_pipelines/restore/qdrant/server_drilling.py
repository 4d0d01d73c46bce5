"""The drill of Qdrant on a server named for it: the recover call of a real server, under scratch
names that are deleted afterwards."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from onyx_pipelines.errors import RestoreError, SourceError
from onyx_pipelines.restore.engine import Drilling, Work
from onyx_pipelines.restore.findings import ARCHIVE
from onyx_pipelines.restore.qdrant.collections import CollectionObjects, SetCollections
from onyx_pipelines.restore.qdrant.indexing import IndexWatch
from onyx_pipelines.restore.qdrant.journaled_server import JournaledServer
from onyx_pipelines.restore.qdrant.leftovers import Leftovers
from onyx_pipelines.restore.qdrant.server import Address, TargetQdrant, open_target
from onyx_pipelines.restore.results import ComponentDrill, Finding, Indexing, Step
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.qdrant.address import normalised_url


def drill_on_server(work: Work, collections: SetCollections, drilling: Drilling) -> ComponentDrill:
    """Restore every collection of the set there, compare it, delete it.

    Raises:
        RestoreError: it is the server that is backed up; nothing was touched.
        SourceError: it does not answer; one collection that it does not take is a finding.
        StoreError, KeyFileError: the set cannot be read.
    """
    settings = work.settings
    address = Address(
        normalised_url(settings.drill_qdrant_url),
        settings.drill_qdrant_api_key,
        settings.qdrant_ca_file,
    )
    indexing: list[Indexing] = []
    with open_target(address) as server:
        with work.clock.step(Step.PREPARE, "server for drills"):
            _refuse_production(server, address, settings)
            journaled = JournaledServer(server, Leftovers(settings.state_dir, address.url), work)
            journaled.sweep()
        for collection in collections.whole:
            item = _DrilledCollection(server, journaled, collection, journaled.begin_beside())
            try:
                drilling.run(item, collection.snapshot.plain_bytes)
            except SourceError as error:
                if not server.answers():
                    raise
                said = f"{error.what} {error.remedy}"
                drilling.findings.append(Finding.unverified(collection.name, ARCHIVE, said))
            indexing += item.indexing
        version = server.version
    return drilling.result(work, {"restore_engine": f"Qdrant {version}"}, indexing=tuple(indexing))


@dataclass
class _DrilledCollection:
    server: TargetQdrant
    journaled: JournaledServer
    collection: CollectionObjects
    scratch: str
    indexing: Sequence[Indexing] = ()

    @property
    def name(self) -> str:
        return self.collection.name

    def stage(self) -> None:
        self.journaled.upload_as(self.scratch, self.collection)

    def compare(self) -> list[Finding]:
        findings = self.journaled.compare(self.scratch, self.collection)
        watch = IndexWatch(self.server, {self.scratch: self.collection.facts})
        watch.wait(0)
        self.indexing = watch.found()
        return [*findings, *watch.findings()]

    def discard(self) -> None:
        self.journaled.take_away(self.scratch)


def _refuse_production(server: TargetQdrant, address: Address, settings: Settings) -> None:
    """By address, and by the identity that a running process tells: one server has many names."""
    if not settings.qdrant_url:
        return
    source = Address(
        normalised_url(settings.qdrant_url), settings.qdrant_api_key, settings.qdrant_ca_file
    )
    same = _endpoints(source.url) & _endpoints(address.url)
    if not same:
        identity = server.identity()
        same = {identity} if identity and identity == _identity(source) else set()
    if same:
        raise RestoreError(
            "The Qdrant server named for drills is the one that is backed up.",
            remedy="Nothing was touched. Name another one in ONYX_DRILL_QDRANT_URL, or none.",
        )


def _identity(address: Address) -> str | None:
    """None also where the source does not answer: then it is not what answered us."""
    try:
        with open_target(address) as server:
            return server.identity()
    except SourceError:
        return None


def _endpoints(url: str) -> set[object]:
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    except OSError:
        return {(parts.hostname, parts.port)}
    return {each[4][:2] for each in found}
