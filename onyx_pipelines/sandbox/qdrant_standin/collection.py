"""One collection: an Edge shard, its configuration, and its snapshot archive."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import threading
import uuid
from pathlib import Path
from typing import IO, Any

import qdrant_edge as edge

from onyx_pipelines.sandbox.qdrant_standin.filters import Json, from_id, to_filter, to_id
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported

PEER_ID = 1
_COLLECTION_STORAGE_VERSION = b"0.4.2"
_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}


def new_config(request: Json) -> Json:
    """The configuration that a server would keep for this request."""
    for name, value in request.items():
        if name != "vectors" and value not in (None, 1, {}, False):
            raise unsupported(f"create_collection.{name}")
    vectors = request.get("vectors") or {}
    single = "size" in vectors
    params = (
        _vector_params(vectors) if single else {k: _vector_params(v) for k, v in vectors.items()}
    )
    return {
        "params": {
            "vectors": params,
            "shard_number": 1,
            "replication_factor": 1,
            "write_consistency_factor": 1,
            "on_disk_payload": True,
        },
        "hnsw_config": {
            "m": 16,
            "ef_construct": 100,
            "full_scan_threshold": 10000,
            "max_indexing_threads": 0,
            "on_disk": False,
        },
        "optimizer_config": {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "max_segment_size": None,
            "memmap_threshold": None,
            "indexing_threshold": 10000,
            "flush_interval_sec": 5,
            "max_optimization_threads": None,
        },
        "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1},
        "quantization_config": None,
        "uuid": str(uuid.uuid4()),
    }


def _vector_params(value: Json) -> Json:
    extra = {key for key, part in value.items() if part is not None} - {"size", "distance"}
    if extra:
        raise unsupported(f"vector parameters {sorted(extra)}")
    if value.get("distance") not in _DISTANCES:
        raise ApiError(400, f"Format error in JSON body: distance {value.get('distance')!r}")
    return {"size": value["size"], "distance": value["distance"]}


class Collection:
    """Opened in `directory`; made there first where `config` is given."""

    def __init__(self, directory: Path, name: str, config: Json | None = None) -> None:
        self.directory = directory
        self.name = name
        self.lock = threading.RLock()
        self.snapshots_running = 0
        self.snapshots_made = 0
        self._operations = 0
        shard_dir = directory / "0"
        if config is not None:
            shard_dir.mkdir(parents=True)
            (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
        self.config: Json = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        self._shard_dir = shard_dir
        self._shard = (
            edge.EdgeShard.load(str(shard_dir))
            if config is None
            else edge.EdgeShard.create(str(shard_dir), self._edge_config())
        )

    def _edge_config(self) -> Any:
        vectors = self.config["params"]["vectors"]

        def params(value: Json) -> Any:
            return edge.EdgeVectorParams(size=value["size"], distance=_DISTANCES[value["distance"]])

        if "size" in vectors:
            return edge.EdgeConfig(vectors=params(vectors))
        return edge.EdgeConfig(vectors={name: params(each) for name, each in vectors.items()})

    def close(self) -> None:
        with self.lock:
            self._shard.flush()
            self._shard.close()

    def info(self) -> Json:
        info = self._shard.info()
        return {
            "status": "green",
            "optimizer_status": "ok",
            "indexed_vectors_count": info.indexed_vectors_count,
            "points_count": info.points_count,
            "segments_count": info.segments_count,
            "config": {key: value for key, value in self.config.items() if key != "uuid"},
            "payload_schema": {},
            "update_queue": {"length": 0},
        }

    @property
    def points_count(self) -> int:
        return int(self._shard.info().points_count)

    def upsert(self, points: list[Json]) -> Json:
        made = [
            edge.Point(id=to_id(p["id"]), vector=p["vector"], payload=p.get("payload"))
            for p in points
        ]
        return self._update(edge.UpdateOperation.upsert_points(made))

    def delete(self, request: Json) -> Json:
        if "points" in request:
            ids: list[Any] = [to_id(each) for each in request["points"]]
            return self._update(edge.UpdateOperation.delete_points(ids))
        condition = to_filter(request["filter"])
        return self._update(edge.UpdateOperation.delete_points_by_filter(condition))

    def _update(self, operation: Any) -> Json:
        with self.lock:
            try:
                self._shard.update(operation)
            except Exception as error:  # noqa: BLE001  (the engine raises bare exceptions)
                raise ApiError(400, f"Wrong input: {error}") from None
            self._operations += 1
            return {"operation_id": self._operations, "status": "completed"}

    def retrieve(self, ids: list[object], *, payload: Any, vector: Any) -> list[Json]:
        found = self._shard.retrieve(
            [to_id(each) for each in ids], with_payload=payload, with_vector=vector
        )
        return [_record(each) for each in found]

    def scroll(
        self, *, offset: object, limit: int, condition: Json | None, payload: Any, vector: Any
    ) -> Json:
        request = edge.ScrollRequest(
            offset=None if offset is None else to_id(offset),
            limit=limit,
            filter=to_filter(condition),
            with_payload=payload,
            with_vector=vector,
        )
        records, following = self._shard.scroll(request)
        return {
            "points": [_record(each) for each in records],
            "next_page_offset": None if following is None else from_id(following),
        }

    def count(self, *, exact: bool, condition: Json | None) -> int:
        return int(self._shard.count(edge.CountRequest(exact=exact, filter=to_filter(condition))))

    def query(self, request: Json, *, payload: Any, vector: Any) -> list[Json]:
        wanted = request.get("query")
        if isinstance(wanted, dict) and wanted != {"sample": "random"}:
            if set(wanted) != {"nearest"}:
                raise unsupported(f"query {sorted(wanted)}")
            wanted = wanted["nearest"]
        if wanted == {"sample": "random"}:
            query: Any = edge.Sample.Random
        elif isinstance(wanted, list):
            using = {"using": request["using"]} if request.get("using") else {}
            query = edge.Query.Nearest(wanted, **using)
        else:
            raise unsupported("a query that is neither a vector nor a random sample")
        params = request.get("params") or {}
        found = self._shard.query(
            edge.QueryRequest(
                limit=request.get("limit") or 10,
                offset=request.get("offset"),
                query=query,
                filter=to_filter(request.get("filter")),
                score_threshold=request.get("score_threshold"),
                with_payload=payload,
                with_vector=vector,
                params=edge.SearchParams(
                    hnsw_ef=params.get("hnsw_ef"), exact=params.get("exact") or False
                ),
            )
        )
        return [{**_record(each), "score": each.score, "version": each.version} for each in found]

    def write_snapshot(self, output: IO[bytes]) -> None:
        """The server's collection layout; writes are frozen meanwhile, which a server's are not."""
        with self.lock:
            self._shard.flush()
            with tarfile.open(fileobj=output, mode="w|", format=tarfile.GNU_FORMAT) as archive:
                segments = self._shard_dir / "segments"
                for segment in sorted(p for p in segments.iterdir() if p.is_dir()):
                    if not segment.name.startswith("."):
                        self._add_segment(archive, segment)
                _add_tree(archive, self._shard_dir / "wal", "0/wal/")
                state = {"is_local": True, "this_peer_id": PEER_ID, "peers": {"1": "Active"}}
                _add_bytes(archive, "0/replica_state.json", json.dumps(state).encode())
                _add_bytes(archive, "0/shard_config.json", b'{"type":"ReplicaSet"}')
                _add_bytes(archive, "version.info", _COLLECTION_STORAGE_VERSION)
                _add_bytes(archive, "config.json", json.dumps(self.config).encode())
                _add_bytes(archive, "payload_index.json", b'{"schema":{}}')

    def _add_segment(self, archive: tarfile.TarFile, segment: Path) -> None:
        with tempfile.TemporaryFile(dir=self.directory) as temporary:
            with tarfile.open(fileobj=temporary, mode="w", format=tarfile.GNU_FORMAT) as nested:
                _add_tree(nested, segment, "snapshot/files/")
            entry = tarfile.TarInfo(f"0/segments/{segment.name}.tar")
            entry.size = temporary.tell()
            temporary.seek(0)
            archive.addfile(entry, temporary)


def _add_tree(archive: tarfile.TarFile, root: Path, prefix: str) -> None:
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.name != ".wal":
            archive.add(path, arcname=prefix + str(path.relative_to(root)), recursive=False)


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _record(found: Any) -> Json:
    record: Json = {"id": from_id(found.id)}
    if found.payload is not None:
        record["payload"] = found.payload
    if found.vector is not None:
        record["vector"] = found.vector
    return record
