"""One collection: Edge shards, configuration and payload indexes."""

from __future__ import annotations

import json
import random
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import qdrant_edge as edge

from onyx_pipelines.sandbox.qdrant_standin.configuration import changed_config
from onyx_pipelines.sandbox.qdrant_standin.filters import Json, from_id, to_filter, to_id
from onyx_pipelines.sandbox.qdrant_standin.payload_indexes import (
    Schema,
    engine_schema,
    kept_schema,
    told_schema,
)
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported
from onyx_pipelines.sandbox.qdrant_standin.snapshot_writing import (
    copy_shard,
    write_collection_snapshot,
    write_shard_snapshot,
)
from onyx_pipelines.sandbox.qdrant_standin.strict_mode import StrictMode
from onyx_pipelines.sandbox.qdrant_standin.vectors import (
    engine_config,
    from_vector,
    to_vector,
)


class Collection:
    """Opened in `directory`; made there first where `config` is given."""

    def __init__(self, directory: Path, name: str, config: Json | None = None) -> None:
        self.directory = directory
        self.name = name
        self.lock = threading.RLock()
        self.snapshots_running = 0
        self.snapshots_made = 0
        # Of those with the highest ids.
        self.hidden_points = 0
        self._operations = 0
        if config is not None:
            directory.mkdir(parents=True)
            self._write("config.json", config)
            self._write("payload_index.json", {"schema": {}})
        self.config: Json = self._read("config.json")
        self.indexes: dict[str, Schema] = self._read("payload_index.json")["schema"]
        self.strict = StrictMode(self.config)
        self._shards = [
            self._open(number, is_new=config is not None)
            for number in range(self.config["params"]["shard_number"])
        ]

    def _open(self, number: int, *, is_new: bool) -> Any:
        directory = self.directory / str(number)
        if not is_new:
            try:
                return edge.EdgeShard.load(str(directory))
            except Exception as error:  # noqa: BLE001  (the engine raises bare exceptions)
                # As a server that is not told to go on without it.
                raise RuntimeError(f'Failed to load local shard "{directory}": {error}') from None
        directory.mkdir()
        return edge.EdgeShard.create(str(directory), engine_config(self.config["params"]))

    def _write(self, name: str, content: Json) -> None:
        (self.directory / name).write_text(json.dumps(content), encoding="utf-8")

    def _read(self, name: str) -> Json:
        content: Json = json.loads((self.directory / name).read_text(encoding="utf-8"))
        return content

    def close(self) -> None:
        with self.lock:
            for shard in self._shards:
                shard.flush()
                shard.close()

    def info(self) -> Json:
        infos = [shard.info() for shard in self._shards]
        indexed = [each.payload_schema for each in infos]
        return {
            "status": "green",
            "optimizer_status": "ok",
            "indexed_vectors_count": sum(each.indexed_vectors_count for each in infos),
            "points_count": sum(each.points_count for each in infos),
            "segments_count": sum(each.segments_count for each in infos),
            "config": {key: value for key, value in self.config.items() if key != "uuid"},
            "payload_schema": {
                field: told_schema(
                    schema, sum(each[field].points for each in indexed if field in each)
                )
                for field, schema in self.indexes.items()
            },
            "update_queue": {"length": 0},
        }

    def change(self, request: Json) -> bool:
        with self.lock:
            self.config = changed_config(self.config, request)
            self.strict = StrictMode(self.config)
            self._write("config.json", self.config)
        return True

    @property
    def points_count(self) -> int:
        return sum(self.shard_counts)

    @property
    def shard_counts(self) -> list[int]:
        return [int(shard.info().points_count) for shard in self._shards]

    def upsert(self, points: list[Json]) -> Json:
        self.strict.check_write(len(points))
        made = [
            edge.Point(
                id=to_id(p["id"]), vector=to_vector(p.get("vector", {})), payload=p.get("payload")
            )
            for p in points
        ]
        return self._update(made, lambda each: each.id, edge.UpdateOperation.upsert_points)

    def delete(self, request: Json) -> Json:
        if "points" in request:
            ids: list[Any] = [to_id(each) for each in request["points"]]
            self.strict.check_write(len(ids))
            return self._update(ids, lambda each: each, edge.UpdateOperation.delete_points)
        self.strict.check_write(1)
        condition = to_filter(request["filter"])
        return self._update_all(edge.UpdateOperation.delete_points_by_filter(condition))

    def create_index(self, field: str, given: Any) -> Json:
        schema = kept_schema(given)
        operation = edge.UpdateOperation.create_field_index(field, engine_schema(schema))
        return self._change_indexes({**self.indexes, field: schema}, operation)

    def delete_index(self, field: str) -> Json:
        rest = {name: schema for name, schema in self.indexes.items() if name != field}
        return self._change_indexes(rest, edge.UpdateOperation.delete_field_index(field))

    def _change_indexes(self, indexes: dict[str, Schema], operation: Any) -> Json:
        with self.lock:
            done = self._update_all(operation)
            self.indexes = indexes
            self._write("payload_index.json", {"schema": indexes})
            return done

    def _update(
        self, items: list[Any], id_of: Callable[[Any], Any], operation: Callable[[Any], Any]
    ) -> Json:
        """Each item in the shard that its id belongs to."""
        by_shard: dict[int, list[Any]] = {}
        for each in items:
            by_shard.setdefault(self._shard_of(id_of(each)), []).append(each)
        return self._apply({number: operation(some) for number, some in by_shard.items()})

    def _update_all(self, operation: Any) -> Json:
        return self._apply(dict.fromkeys(range(len(self._shards)), operation))

    def _apply(self, operations: dict[int, Any]) -> Json:
        with self.lock:
            try:
                for number, operation in operations.items():
                    self._shards[number].update(operation)
            except Exception as error:  # noqa: BLE001  (the engine raises bare exceptions)
                raise ApiError(400, f"Wrong input: {error}") from None
            self._operations += 1
            return {"operation_id": self._operations, "status": "completed"}

    def _shard_of(self, identity: object) -> int:
        return zlib.crc32(str(identity).encode()) % len(self._shards)

    def retrieve(self, ids: list[object], *, payload: Any, vector: Any) -> list[Json]:
        self.strict.check_read({}, self.indexes, cost=len(ids), has_limit=False)
        hidden = self._hidden()
        wanted = [each for each in map(to_id, ids) if each not in hidden]
        return [
            _record(each)
            for shard in self._shards
            for each in shard.retrieve(wanted, with_payload=payload, with_vector=vector)
        ]

    def scroll(self, body: Json, *, payload: Any, vector: Any) -> Json:
        self.strict.check_read(body, self.indexes)
        limit, offset = body.get("limit") or 10, body.get("offset")
        request = edge.ScrollRequest(
            offset=None if offset is None else to_id(offset),
            # One more than wanted is where the next page begins.
            limit=limit + 1,
            filter=self._shown(body.get("filter")),
            with_payload=payload,
            with_vector=vector,
        )
        found = [each for shard in self._shards for each in shard.scroll(request)[0]]
        found.sort(key=lambda each: (not isinstance(each.id, int), each.id))
        following = found[limit].id if len(found) > limit else None
        return {
            "points": [_record(each) for each in found[:limit]],
            "next_page_offset": None if following is None else from_id(following),
        }

    def count(self, body: Json) -> int:
        exact = bool(body.get("exact", True))
        self.strict.check_read(body, self.indexes, has_limit=False, exact=exact)
        request = edge.CountRequest(exact=exact, filter=self._shown(body.get("filter")))
        return sum(int(shard.count(request)) for shard in self._shards)

    def query(self, request: Json, *, payload: Any, vector: Any) -> list[Json]:
        params = request.get("params") or {}
        exact = bool(params.get("exact"))
        self.strict.check_read(request, self.indexes, exact=exact)
        wanted, using = _query_of(request)
        limit, offset = request.get("limit") or 10, request.get("offset") or 0
        found = [
            each
            for shard in self._shards
            for each in shard.query(
                edge.QueryRequest(
                    limit=limit + offset,
                    query=wanted,
                    filter=self._shown(request.get("filter")),
                    score_threshold=request.get("score_threshold"),
                    with_payload=payload,
                    with_vector=vector,
                    params=edge.SearchParams(hnsw_ef=params.get("hnsw_ef"), exact=exact),
                )
            )
        ]
        if wanted is edge.Sample.Random:
            random.shuffle(found)
        else:
            lowest_first = self._distance(using) in ("Euclid", "Manhattan")
            found.sort(key=lambda each: each.score, reverse=not lowest_first)
        return [
            {**_record(each), "score": each.score, "version": each.version}
            for each in found[offset : offset + limit]
        ]

    def _hidden(self) -> set[Any]:
        if not self.hidden_points:
            return set()
        everything = edge.ScrollRequest(
            limit=self.points_count, with_payload=False, with_vector=False
        )
        ids = [each.id for shard in self._shards for each in shard.scroll(everything)[0]]
        return set(sorted(ids)[-self.hidden_points :])

    def _shown(self, given: Json | None) -> Any:
        """The filter, without the points that are hidden."""
        condition, hidden = to_filter(given), self._hidden()
        if not hidden:
            return condition
        return edge.Filter(
            must=None if condition is None else [condition],
            must_not=[edge.HasIdCondition(hidden)],
        )

    def _distance(self, using: str) -> str:
        vectors = self.config["params"]["vectors"]
        params = vectors.get(using, {}) if using else vectors
        return str(params.get("distance", ""))

    def write_snapshot(
        self,
        output: IO[bytes],
        scratch: Path,
        *,
        with_collection_files: bool,
        number: int = 0,
    ) -> None:
        """Of every shard as it is at a moment of its own, while others write.

        Args:
            scratch: a directory for copies.
            number: of the shard, where it is of one alone.
        """
        numbers = range(len(self._shards)) if with_collection_files else (number,)
        copies = list(self._copies(numbers, scratch))
        if not with_collection_files:
            write_shard_snapshot(output, copies[0])
            return
        with self.lock:
            config, indexes = self.config, self.indexes
        write_collection_snapshot(output, copies, config, indexes)

    def _copies(self, numbers: Any, scratch: Path) -> Iterator[Path]:
        for number in numbers:
            with self.lock:
                self._shards[number].flush()
                copy = scratch / str(number)
                copy_shard(self.directory / str(number), copy)
            yield copy


def _query_of(request: Json) -> tuple[Any, str]:
    """For the engine, and the name of the vector."""
    wanted, using = request.get("query"), request.get("using") or ""
    if isinstance(wanted, dict) and wanted.keys() == {"nearest"}:
        wanted = wanted["nearest"]
    if wanted == {"sample": "random"}:
        return edge.Sample.Random, using
    is_sparse = isinstance(wanted, dict) and wanted.keys() == {"indices", "values"}
    if isinstance(wanted, list) or is_sparse:
        named = {"using": using} if using else {}
        return edge.Query.Nearest(to_vector(wanted), **named), using
    raise unsupported("a query that is neither a vector nor a random sample")


def _record(found: Any) -> Json:
    record: Json = {"id": from_id(found.id)}
    if found.payload is not None:
        record["payload"] = found.payload
    if found.vector is not None:
        record["vector"] = from_vector(found.vector)
    return record
