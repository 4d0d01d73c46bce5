"""One collection: an Edge shard and its configuration."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import IO, Any

import qdrant_edge as edge

from onyx_pipelines.sandbox.qdrant_standin.filters import Json, from_id, to_filter, to_id
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported
from onyx_pipelines.sandbox.qdrant_standin.snapshot_writing import (
    write_collection_snapshot,
    write_shard_snapshot,
)
from onyx_pipelines.sandbox.qdrant_standin.vectors import engine_config, from_vector, to_vector


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
            else edge.EdgeShard.create(str(shard_dir), engine_config(self.config))
        )

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
            edge.Point(id=to_id(p["id"]), vector=to_vector(p["vector"]), payload=p.get("payload"))
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
        if isinstance(wanted, dict) and wanted.keys() == {"nearest"}:
            wanted = wanted["nearest"]
        elif isinstance(wanted, dict) and wanted != {"sample": "random"}:
            raise unsupported(f"query {sorted(wanted)}")
        if wanted == {"sample": "random"}:
            query: Any = edge.Sample.Random
        elif isinstance(wanted, (list, dict)):
            using = {"using": request["using"]} if request.get("using") else {}
            query = edge.Query.Nearest(to_vector(wanted), **using)
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

    def write_snapshot(self, output: IO[bytes], *, with_collection_files: bool) -> None:
        """Writes are frozen meanwhile, which a server's are not."""
        with self.lock:
            self._shard.flush()
            if with_collection_files:
                write_collection_snapshot(output, self._shard_dir, self.config)
            else:
                write_shard_snapshot(output, self._shard_dir)


def _record(found: Any) -> Json:
    record: Json = {"id": from_id(found.id)}
    if found.payload is not None:
        record["payload"] = found.payload
    if found.vector is not None:
        record["vector"] = from_vector(found.vector)
    return record
