"""The drill of Qdrant: every snapshot opened by Qdrant's own engine in scratch, and compared.

It proves that the engine reads the data. That a server's recover call works with it, it does not.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onyx_pipelines.errors import IntegrityError, NotFoundError
from onyx_pipelines.host.scratch import private_workdir, refuse_inside_volumes, sweep_workdirs
from onyx_pipelines.host.tree_removal import discard_tree
from onyx_pipelines.progress import Meter, ProgressCallback
from onyx_pipelines.restore import findings as findings_of
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.qdrant.collections import CollectionObjects, collections_of
from onyx_pipelines.restore.qdrant.comparison import compare_collection
from onyx_pipelines.restore.qdrant.configuration import index_types
from onyx_pipelines.restore.qdrant.drill_findings import (
    another_snapshot,
    beyond_the_engine,
    damaged,
)
from onyx_pipelines.restore.qdrant.edge_engine import EdgeEngine
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer, EdgeRequest
from onyx_pipelines.restore.qdrant.ranking import scores_are_distances
from onyx_pipelines.restore.qdrant.server_drilling import drill_on_server
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step, share_of
from onyx_pipelines.restore.room import free_bytes
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.qdrant.facts import CollectionFacts
from onyx_pipelines.sources.qdrant.snapshot_archive import UnpackedSnapshot, unpack_snapshot
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.stores.store import ObjectReader

_PREFIX: Final = "onyx-scratch-qdrant-"
# Loading replays the write-ahead log and maps the segments.
_EDGE_TIMEOUT_S = 1800.0
# Bounds lengths with their holes. What is really written is bounded by the snapshot's own length.
_APPARENT_LIMIT_BYTES = 2**40
# What must stay free for others on the same file system.
_RESERVE_BYTES: Final = 64 << 20
# Two of these are in scratch at a time.
_SMALL_BYTES: Final = 64 << 20
# A collection that was compared whole is read whole, also where it has some points too many.
_READ_WHOLE_UP_TO: Final = 100_000


def drill(
    objects: SetObjects,
    clock: StepClock,
    workdir: Path,
    settings: Settings,
    progress: ProgressCallback,
) -> ComponentDrill:
    """Open every collection of the set in scratch below `workdir`, and compare it.

    A collection that scratch has no room for is left out as could-not-verify, and `share` says so.
    Where the settings name a server for drills, that one does it.

    Raises:
        SettingsError: `workdir` lies in a configured volume; nothing was touched.
        RestoreError: there is no engine or no place for scratch.
        StoreError, KeyFileError: the set cannot be read.
    """
    if settings.drill_qdrant_url:
        return drill_on_server(objects, clock, settings, progress)
    refuse_inside_volumes(workdir, settings.volumes)
    begun = len(clock.timings())
    collections = collections_of(objects)
    record = objects.manifest.component(Component.QDRANT)
    versions = dict(record.versions) if record else {}
    with clock.step(Step.PREPARE, "scratch"):
        sweep_workdirs(workdir, prefix=_PREFIX)
    with (
        private_workdir(workdir, prefix=_PREFIX) as scratch,
        EdgeEngine(timeout_s=_EDGE_TIMEOUT_S) as engine,
        ThreadPoolExecutor(max_workers=1) as cleaner,
    ):
        drilling = _Drilling(objects, clock, scratch, engine, cleaner, progress)
        for collection in collections.whole:
            drilling.take(collection)
        drilling.settle()
    return ComponentDrill(
        component=Component.QDRANT,
        findings=(
            *(findings_of.damaged(*each) for each in collections.damaged.items()),
            *drilling.findings,
        )
        or (findings_of.nothing_to_drill(Component.QDRANT),),
        steps=clock.timings()[begun:],
        plain_bytes=drilling.restored_bytes,
        share=share_of(
            drilling.restored_bytes, sum(each.snapshot.plain_bytes for each in collections.whole)
        ),
        versions={**versions, **drilling.versions},
    )


@dataclass(frozen=True)
class _Unpacked:
    """A collection in scratch."""

    collection: CollectionObjects
    snapshot: UnpackedSnapshot


class _Drilling:
    """One collection after the other; a small one is unpacked while the engine reads the last."""

    def __init__(
        self,
        objects: SetObjects,
        clock: StepClock,
        scratch: Path,
        engine: EdgeEngine,
        cleaner: Executor,
        progress: ProgressCallback,
    ) -> None:
        self._objects = objects
        self._clock = clock
        self._scratch = scratch
        self._engine = engine
        self._cleaner = cleaner
        self._cleaning: Future[None] | None = None
        self._progress = progress
        self._asked: _Unpacked | None = None
        self._number = 0
        self.findings: list[Finding] = []
        self.restored_bytes = 0
        self.versions: dict[str, str] = {}

    def take(self, collection: CollectionObjects) -> None:
        """Unpack it, and ask the engine about it."""
        size = collection.snapshot.plain_bytes
        if size > _SMALL_BYTES or self._shortage(size) > 0:
            self.settle()
        shortage = self._shortage(size)
        if shortage > 0:
            self.findings.append(
                findings_of.no_room(collection.name, self._scratch.parent, shortage)
            )
        elif collection.snapshot.plain_sha256 != collection.facts.snapshot_sha256:
            self.findings.append(another_snapshot(collection.name))
        else:
            self._number += 1
            directory = self._scratch / str(self._number)
            try:
                unpacked = _Unpacked(collection, self._unpack(collection, directory))
            except (IntegrityError, NotFoundError) as error:
                self.findings.append(damaged(collection, error))
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
        with self._clock.step(
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
            self.findings.append(damaged(collection, found))
        else:
            self.restored_bytes += collection.snapshot.plain_bytes
            self.versions["restore_engine"] = found.engine
            with self._clock.step(Step.COMPARE, collection.name):
                self.findings += _compared(collection, asked.snapshot, found)
        self._clean(collection, asked.snapshot.directory)

    def _unpack(self, collection: CollectionObjects, directory: Path) -> UnpackedSnapshot:
        size = collection.snapshot.plain_bytes
        meter = Meter(
            self._progress, component=Component.QDRANT, item=collection.name, total_bytes=size
        )
        with (
            self._clock.step(Step.FETCH, collection.name, plain_bytes=size),
            self._objects.open(collection.snapshot) as reader,
        ):
            metered = _MeteredReader(reader, meter)
            unpacked = unpack_snapshot(metered, directory, max_bytes=_APPARENT_LIMIT_BYTES)
        meter.finish()
        return unpacked

    def _clean(self, collection: CollectionObjects, directory: Path) -> None:
        """Beside the next ones; one at a time, so that no scratch piles up."""
        with self._clock.step(Step.CLEAN_UP, collection.name):
            if self._cleaning is not None:
                self._cleaning.result()
            self._cleaning = self._cleaner.submit(discard_tree, directory)

    def _shortage(self, size: int) -> int:
        return size + _RESERVE_BYTES - free_bytes(self._scratch)


def _compared(
    collection: CollectionObjects, snapshot: UnpackedSnapshot, found: EdgeAnswer
) -> list[Finding]:
    """A description of itself that cannot be read is damage too."""
    try:
        config, schema = snapshot.config, snapshot.payload_schema
    except IntegrityError as error:
        return [damaged(collection, error)]
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
