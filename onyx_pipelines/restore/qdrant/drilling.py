"""The drill of Qdrant: every snapshot opened by Qdrant's own engine in scratch, and compared. It
proves that the engine reads the data. That a server's recover call works with it, it does not.

So does a server that is named for drills, under scratch names that are deleted afterwards.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from onyx_pipelines.core.errors import IntegrityError, NotFoundError, RestoreError, SourceError
from onyx_pipelines.core.progress import Meter
from onyx_pipelines.core.settings import QdrantSettings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.host.scratch import shortage_bytes
from onyx_pipelines.host.tree_removal import discard_tree
from onyx_pipelines.restore import findings as findings_of
from onyx_pipelines.restore.engine import Drilling, Work, sweep
from onyx_pipelines.restore.findings import ARCHIVE
from onyx_pipelines.restore.qdrant.collections import (
    CollectionObjects,
    Damage,
    SetCollections,
    collections_of,
)
from onyx_pipelines.restore.qdrant.comparison import CONFIG, compare_collection
from onyx_pipelines.restore.qdrant.configuration import index_types
from onyx_pipelines.restore.qdrant.edge_engine import EdgeEngine
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer, EdgeRequest
from onyx_pipelines.restore.qdrant.indexing import IndexWatch
from onyx_pipelines.restore.qdrant.journaled_server import JournaledServer
from onyx_pipelines.restore.qdrant.ranking import scores_are_distances
from onyx_pipelines.restore.qdrant.server import Address, TargetQdrant, open_target
from onyx_pipelines.restore.qdrant.versions import engine_range, engine_reads
from onyx_pipelines.restore.results import ComponentResult, Finding, Indexing, Step
from onyx_pipelines.sources.qdrant.address import normalised_url
from onyx_pipelines.sources.qdrant.facts import CollectionFacts
from onyx_pipelines.sources.qdrant.snapshot_archive import (
    UnknownFormError,
    UnpackedSnapshot,
    unpack_snapshot,
)
from onyx_pipelines.vault.stores.store import ObjectReader

# Loading replays the write-ahead log and maps the segments.
_EDGE_TIMEOUT_S = 1800.0
# Bounds lengths with their holes. What is really written is bounded by the snapshot's own length.
_APPARENT_LIMIT_BYTES = 2**40
# Two of these are in scratch at a time.
_SMALL_BYTES: Final = 64 << 20
# A collection that was compared whole is read whole, also where it has some points too many.
_READ_WHOLE_UP_TO: Final = 100_000


def drill(work: Work) -> ComponentResult:
    """Open every collection of the set in scratch, and compare it. Where the settings name a server
    for drills, that one does it."""
    drilling = Drilling()
    collections = collections_of(work.objects)
    drilling.findings += [findings_of.damaged(*each) for each in collections.damaged.items()]
    if work.settings.drill_qdrant_url:
        return drill_on_server(work, collections, drilling)
    work.refuse_inside_volumes()
    with (
        work.scratch("onyx-scratch-qdrant-") as scratch,
        EdgeEngine(timeout_s=_EDGE_TIMEOUT_S) as engine,
        ThreadPoolExecutor(max_workers=1) as cleaner,
    ):
        pipeline = _Pipeline(work, drilling, scratch, engine, cleaner)
        for collection in collections.whole:
            pipeline.take(collection)
        pipeline.settle()
    return drilling.result(work, pipeline.versions)


@dataclass(frozen=True)
class _Unpacked:
    """A collection in scratch."""

    collection: CollectionObjects
    snapshot: UnpackedSnapshot


class _Pipeline:
    """One collection after the other; a small one is unpacked while the engine reads the last."""

    def __init__(
        self, work: Work, drilling: Drilling, scratch: Path, engine: EdgeEngine, cleaner: Executor
    ) -> None:
        self._work = work
        self._drilling = drilling
        self._scratch = scratch
        self._engine = engine
        self._cleaner = cleaner
        self._cleaning: Future[None] | None = None
        self._asked: _Unpacked | None = None
        self._number = 0
        self.versions: dict[str, str] = {}

    def take(self, collection: CollectionObjects) -> None:
        """Unpack it, and ask the engine about it."""
        size = collection.snapshot.plain_bytes
        self._drilling.all_bytes += size
        if size > _SMALL_BYTES or shortage_bytes(self._scratch, size) > 0:
            self.settle()
        shortage = shortage_bytes(self._scratch, size)
        if shortage > 0:
            self._drilling.findings.append(
                findings_of.no_room(collection.name, self._scratch.parent, shortage)
            )
        else:
            self._number += 1
            directory = self._scratch / str(self._number)
            try:
                collection.require_own_snapshot()
                unpacked = _Unpacked(collection, self._unpack(collection, directory))
            except (IntegrityError, NotFoundError) as error:
                self._drilling.findings.append(_damaged(collection, error))
                self._clean(collection, directory)
            else:
                self._ask(unpacked)

    def settle(self) -> None:
        """Until nothing is outstanding: no answer, and no clean-up."""
        self._compare(self._answered())
        if self._cleaning is not None:
            self._cleaning.result()

    def _ask(self, unpacked: _Unpacked) -> None:
        answered = self._answered()
        self._engine.begin(_request(unpacked.collection.facts, unpacked.snapshot))
        self._asked = unpacked
        self._compare(answered)

    def _answered(self) -> tuple[_Unpacked, EdgeAnswer | IntegrityError] | None:
        asked, self._asked = self._asked, None
        if asked is None:
            return None
        collection = asked.collection
        with self._work.clock.step(
            Step.RESTORE, collection.name, plain_bytes=collection.snapshot.plain_bytes
        ):
            try:
                return asked, self._engine.answer()
            except IntegrityError as error:
                return asked, error

    def _compare(self, answered: tuple[_Unpacked, EdgeAnswer | IntegrityError] | None) -> None:
        if answered is None:
            return
        (asked, found), collection = answered, answered[0].collection
        if isinstance(found, IntegrityError):
            self._drilling.findings.append(_damaged(collection, found))
        else:
            self._drilling.restored_bytes += collection.snapshot.plain_bytes
            self.versions["restore_engine"] = found.engine
            with self._work.clock.step(Step.COMPARE, collection.name):
                self._drilling.findings += _compared(collection, asked.snapshot, found)
        self._clean(collection, asked.snapshot.directory)

    def _unpack(self, collection: CollectionObjects, directory: Path) -> UnpackedSnapshot:
        size = collection.snapshot.plain_bytes
        meter = self._work.meter(collection.name, size)
        with (
            self._work.clock.step(Step.FETCH, collection.name, plain_bytes=size),
            self._work.objects.open(collection.snapshot) as reader,
        ):
            metered = _MeteredReader(reader, meter)
            unpacked = unpack_snapshot(metered, directory, max_bytes=_APPARENT_LIMIT_BYTES)
        meter.finish()
        return unpacked

    def _clean(self, collection: CollectionObjects, directory: Path) -> None:
        """Beside the next ones; one at a time, so that no scratch piles up."""
        with self._work.clock.step(Step.CLEAN_UP, collection.name):
            if self._cleaning is not None:
                self._cleaning.result()
            self._cleaning = self._cleaner.submit(discard_tree, directory)


def _compared(
    collection: CollectionObjects, snapshot: UnpackedSnapshot, found: EdgeAnswer
) -> list[Finding]:
    """A description of itself that cannot be read is damage too."""
    try:
        config, schema = snapshot.config, snapshot.payload_schema
    except IntegrityError as error:
        return [_damaged(collection, error)]
    compared = compare_collection(collection.facts, config, schema, found)
    return beyond_the_engine(collection, snapshot, compared)


def _request(facts: CollectionFacts, snapshot: UnpackedSnapshot) -> EdgeRequest:
    local = sorted(
        number for number, shard in snapshot.shards.items() if shard.is_local is not False
    )
    query = facts.query
    return EdgeRequest(
        shards=tuple(str(snapshot.directory / str(number)) for number in local),
        ids=tuple(point.id for point in facts.sample),
        all_up_to=_READ_WHOLE_UP_TO if facts.sample_is_all else 0,
        indexes=index_types(facts),
        vector=query.vector if query else None,
        using=query.using if query else "",
        top_k=len(query.neighbours) if query else 0,
        lowest_first=query is not None and scores_are_distances(facts.config, query.using),
    )


class _MeteredReader:
    def __init__(self, reader: ObjectReader, meter: Meter) -> None:
        self._reader = reader
        self._meter = meter

    def read(self, size: int, /) -> bytes:
        data = self._reader.read(size)
        self._meter.add(len(data))
        return data


def _damaged(collection: CollectionObjects, error: Damage) -> Finding:
    """What cannot be read is damaged, unless it is of a version that nobody said we can read."""
    if isinstance(error, UnknownFormError) and not engine_reads(collection.facts.server_version):
        return _cannot_tell(collection, error.what)
    return findings_of.damaged(collection.name, error)


def beyond_the_engine(
    collection: CollectionObjects, unpacked: UnpackedSnapshot, findings: Sequence[Finding]
) -> list[Finding]:
    """The findings, but for what the engine found different where it may have misread.

    The configuration is not read by the engine.
    """
    in_rocksdb = any(shard.has_rocksdb for shard in unpacked.shards.values())
    if engine_reads(collection.facts.server_version) and not in_rocksdb:
        return list(findings)
    misread = [f for f in findings if f.verdict is Verdict.FAILED and f.aspect != CONFIG]
    if not misread:
        return list(findings)
    why = "it keeps data in RocksDB, which the engine leaves out" if in_rocksdb else ""
    said = "; ".join(filter(None, (why, *(f.message for f in misread[:3]))))
    return [f for f in findings if f not in misread] + [_cannot_tell(collection, said)]


def _cannot_tell(collection: CollectionObjects, said: str) -> Finding:
    return Finding.unverified(
        collection.name,
        "version",
        f"The snapshot is of Qdrant {collection.facts.server_version}, and the engine of"
        f" this drill reads Qdrant {engine_range()}: {said.rstrip('.')}. A server for drills"
        " (ONYX_DRILL_QDRANT_URL) can tell.",
    )


def drill_on_server(work: Work, collections: SetCollections, drilling: Drilling) -> ComponentResult:
    """Restore every collection there, compare it, delete it. One that it refuses is a finding."""
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
            journaled = JournaledServer(server, work)
            sweep(journaled.leftovers())
        for collection in collections.whole:
            item = _DrilledCollection(journaled, collection, journaled.begin_staged())
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
        watch = IndexWatch(self.journaled.server, {self.scratch: self.collection.facts})
        watch.wait(0)
        self.indexing = watch.found()
        return [*findings, *watch.findings()]

    def discard(self) -> None:
        self.journaled.take_away(self.scratch)


def _refuse_production(server: TargetQdrant, address: Address, settings: QdrantSettings) -> None:
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
