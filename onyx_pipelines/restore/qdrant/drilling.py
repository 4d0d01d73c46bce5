"""The drill of Qdrant: every snapshot opened by Qdrant's own engine in scratch, and compared.

It proves that the engine reads the data. That a server's recover call works with it, it does not.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from onyx_pipelines.errors import IntegrityError, NotFoundError
from onyx_pipelines.progress import Meter, ProgressCallback
from onyx_pipelines.restore.clock import StepClock
from onyx_pipelines.restore.objects import SetObjects
from onyx_pipelines.restore.qdrant.collections import CollectionObjects, collections_of
from onyx_pipelines.restore.qdrant.comparison import compare_collection
from onyx_pipelines.restore.qdrant.drill_findings import (
    another_snapshot,
    beyond_the_engine,
    damaged,
    no_room,
    nothing_to_restore,
)
from onyx_pipelines.restore.qdrant.edge_engine import EdgeEngine
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer, EdgeRequest
from onyx_pipelines.restore.qdrant.ranking import scores_are_distances
from onyx_pipelines.restore.qdrant.server_drilling import drill_on_server
from onyx_pipelines.restore.results import ComponentDrill, Finding, Step, share_of
from onyx_pipelines.restore.room import free_bytes
from onyx_pipelines.restore.workdir import private_workdir, refuse_inside_volumes, sweep_workdirs
from onyx_pipelines.settings import Settings
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
    findings: list[Finding] = []
    restored_bytes = 0
    with clock.step(Step.PREPARE, "scratch"):
        sweep_workdirs(workdir, prefix=_PREFIX)
    with (
        private_workdir(workdir, prefix=_PREFIX) as scratch,
        EdgeEngine(timeout_s=_EDGE_TIMEOUT_S) as engine,
    ):
        for number, collection in enumerate(collections):
            directory = scratch / str(number)
            size = collection.snapshot.plain_bytes
            shortage = size + _RESERVE_BYTES - free_bytes(scratch)
            if shortage > 0:
                findings.append(no_room(collection.name, str(workdir), shortage))
                continue
            if collection.snapshot.plain_sha256 != collection.facts.snapshot_sha256:
                findings.append(another_snapshot(collection.name))
                continue
            try:
                unpacked = _unpack(objects, collection, directory, clock, progress)
                found = _open(engine, collection, unpacked, clock)
            except (IntegrityError, NotFoundError) as error:
                findings.append(damaged(collection, error))
            else:
                restored_bytes += size
                versions["restore_engine"] = found.engine
                with clock.step(Step.COMPARE, collection.name):
                    compared = compare_collection(
                        collection.facts, unpacked.config, unpacked.payload_schema, found
                    )
                findings += beyond_the_engine(collection, unpacked, compared)
            with clock.step(Step.CLEAN_UP, collection.name):
                shutil.rmtree(directory, ignore_errors=True)
    return ComponentDrill(
        component=Component.QDRANT,
        findings=tuple(findings) or (nothing_to_restore(),),
        steps=clock.timings()[begun:],
        plain_bytes=restored_bytes,
        share=share_of(restored_bytes, sum(each.snapshot.plain_bytes for each in collections)),
        versions=versions,
    )


def _unpack(
    objects: SetObjects,
    collection: CollectionObjects,
    directory: Path,
    clock: StepClock,
    progress: ProgressCallback,
) -> UnpackedSnapshot:
    size = collection.snapshot.plain_bytes
    meter = Meter(progress, component=Component.QDRANT, item=collection.name, total_bytes=size)
    with (
        clock.step(Step.FETCH, collection.name, plain_bytes=size),
        objects.open(collection.snapshot) as reader,
    ):
        metered = _MeteredReader(reader, meter)
        unpacked = unpack_snapshot(metered, directory, max_bytes=_APPARENT_LIMIT_BYTES)
    meter.finish()
    return unpacked


def _open(
    engine: EdgeEngine,
    collection: CollectionObjects,
    unpacked: UnpackedSnapshot,
    clock: StepClock,
) -> EdgeAnswer:
    local = sorted(
        number for number, shard in unpacked.shards.items() if shard.is_local is not False
    )
    query = collection.facts.query
    request = EdgeRequest(
        shards=tuple(str(unpacked.directory / str(number)) for number in local),
        ids=tuple(point.id for point in collection.facts.sample),
        all_up_to=_READ_WHOLE_UP_TO if collection.facts.sample_is_all else 0,
        vector=query.vector if query else None,
        using=query.using if query else "",
        top_k=len(query.neighbours) if query else 0,
        lowest_first=query is not None
        and scores_are_distances(collection.facts.config, query.using),
    )
    with clock.step(Step.RESTORE, collection.name, plain_bytes=collection.snapshot.plain_bytes):
        return engine.ask(request)


class _MeteredReader:
    def __init__(self, reader: ObjectReader, meter: Meter) -> None:
        self._reader = reader
        self._meter = meter

    def read(self, size: int, /) -> bytes:
        data = self._reader.read(size)
        self._meter.add(len(data))
        return data
