"""The endpoints: method, path pattern, and what answers."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse

from onyx_pipelines.sandbox.qdrant_standin.access import Access, sees
from onyx_pipelines.sandbox.qdrant_standin.collection import Collection
from onyx_pipelines.sandbox.qdrant_standin.faults import Faults, replica_state
from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.metrics import metrics_text
from onyx_pipelines.sandbox.qdrant_standin.node import VERSION, Node
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported
from onyx_pipelines.sandbox.qdrant_standin.snapshot_writing import PEER_ID


@dataclass(frozen=True)
class Call:
    """A request: `path` has the pattern's values, `query` the parameters.

    `file`: of a form that was received, and the name that it was sent with.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    access: Access
    content: bytes = field(default=b"", repr=False)
    file: Path = Path()
    file_name: str = ""

    def body(self) -> Json:
        """Raises ApiError: it is no JSON."""
        try:
            value: Json = json.loads(self.content or b"{}")
        except ValueError as error:
            raise ApiError(400, f"Format error in JSON body: {error}") from None
        return value

    @property
    def shard(self) -> str:
        """Its number, "" where the path names none."""
        return self.path.get("shard", "")


@dataclass(frozen=True)
class File:
    """The answer is this file."""

    path: Path


# A File, a whole response, or what stands in the usual envelope.
Answer: TypeAlias = Any
Handler: TypeAlias = Callable[[Node, Call], Answer]


@dataclass(frozen=True)
class Route:
    """`template` is how metrics call it; `takes_file`: from a form."""

    handler: Handler
    template: str
    takes_file: bool


_BLOCK: Final = 1024 * 1024
_OCTETS: Final = "application/octet-stream"
_ROUTES: list[tuple[str, re.Pattern[str], Route]] = []


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """What answers a path, and the (still quoted) values in it.

    Raises:
        ApiError: 501, there is none.
    """
    for wanted, pattern, route in _ROUTES:
        match = pattern.fullmatch(path) if wanted == method else None
        if match:
            return route, match.groupdict()
    raise unsupported(f"{method} {path}")


def _route(method: str, template: str, *, takes_file: bool = False) -> Callable[[Handler], Handler]:
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))
    shown = template.replace("{name}", "{collection_name}")

    def register(handler: Handler) -> Handler:
        _ROUTES.append((method, pattern, Route(handler, shown, takes_file)))
        return handler

    return register


def _points(body: Json) -> list[Json]:
    if body.get("points") is not None:
        points: list[Json] = body["points"]
        return points
    batch = body.get("batch")
    if not batch:
        raise ApiError(400, "Format error in JSON body: points or batch expected")
    vectors, payloads = batch["vectors"], batch.get("payloads") or [None] * len(batch["ids"])
    return [
        {
            "id": identity,
            "payload": payloads[n],
            "vector": (
                vectors[n]
                if isinstance(vectors, list)
                else {name: each[n] for name, each in vectors.items()}
            ),
        }
        for n, identity in enumerate(batch["ids"])
    ]


def _payload(body: Json, *, default: bool) -> Any:
    wanted = body.get("with_payload")
    if wanted is None:
        return default
    if not isinstance(wanted, (bool, list)):
        raise unsupported("a payload selector")
    return wanted


def _vector(body: Json) -> Any:
    return body.get("with_vector") or False


@_route("GET", "/")
def _version(_: Node, __: Call) -> Answer:
    return JSONResponse({"title": "Edge-backed stand-in for Qdrant", "version": VERSION})


@_route("GET", "/(healthz|livez)")
def _health(_: Node, __: Call) -> Answer:
    return PlainTextResponse("healthz check passed")


@_route("GET", "/readyz")
def _ready(_: Node, __: Call) -> Answer:
    return PlainTextResponse("all shards are ready")


@_route("GET", "/telemetry")
def _telemetry(node: Node, _: Call) -> Answer:
    responses: Json = {}
    for (method, template, status), count in node.requests.items():
        of_endpoint = responses.setdefault(f"{method} {template}", {})
        of_endpoint[str(status)] = {"count": count, "avg_duration_micros": 0.0}
    return {
        "id": node.identity,
        "app": {
            "name": "qdrant",
            "version": VERSION,
            "startup": node.started_at.isoformat().replace("+00:00", "Z"),
        },
        "collections": {"number_of_collections": len(node.collections)},
        "cluster": {"enabled": False, "resharding_enabled": False},
        "requests": {"rest": {"responses": responses}, "grpc": {"responses": {}}},
    }


@_route("GET", "/metrics")
def _metrics(node: Node, _: Call) -> Answer:
    if node.faults.metrics_status:
        raise ApiError(node.faults.metrics_status, "injected fault")
    return PlainTextResponse(metrics_text(node, VERSION))


@_route("GET", "/collections")
def _list_collections(node: Node, call: Call) -> Answer:
    return {"collections": [{"name": name} for name in node.collections if sees(call.access, name)]}


@_route("GET", "/collections/{name}/exists")
def _exists(node: Node, call: Call) -> Answer:
    name = call.path["name"]
    return {"exists": node.aliases.get(name, name) in node.collections}


@_route("GET", "/collections/{name}")
def _info(node: Node, call: Call) -> Answer:
    return node.told_of(node.collection(call.path["name"]))


@_route("PUT", "/collections/{name}")
def _create(node: Node, call: Call) -> Answer:
    return node.create(call.path["name"], call.body())


@_route("PATCH", "/collections/{name}")
def _change(node: Node, call: Call) -> Answer:
    return node.to_change(call.path["name"]).change(call.body())


@_route("DELETE", "/collections/{name}")
def _drop(node: Node, call: Call) -> Answer:
    return node.drop(call.path["name"])


@_route("POST", "/collections/aliases")
def _change_aliases(node: Node, call: Call) -> Answer:
    return node.change_aliases(call.body()["actions"])


@_route("GET", "/aliases")
def _all_aliases(node: Node, call: Call) -> Answer:
    return {
        "aliases": [
            {"alias_name": alias, "collection_name": name}
            for alias, name in node.aliases.items()
            if sees(call.access, name) and sees(call.access, alias)
        ]
    }


@_route("GET", "/collections/{name}/aliases")
def _aliases(node: Node, call: Call) -> Answer:
    wanted = node.collection(call.path["name"]).name
    return {
        "aliases": [
            {"alias_name": alias, "collection_name": name}
            for alias, name in node.aliases.items()
            if name == wanted
        ]
    }


@_route("GET", "/collections/{name}/cluster")
def _cluster(node: Node, call: Call) -> Answer:
    collection = node.collection(call.path["name"])
    counts, faults = collection.shard_counts, node.faults
    elsewhere = range(len(counts)) if faults.replica_lag_s else faults.remote_shards
    state = replica_state(faults, node.since_restored_s(collection.name))
    by_key = {"shard_key": "injected"} if collection.name in faults.custom_sharding else {}
    return {
        "peer_id": PEER_ID,
        "shard_count": len(counts),
        "local_shards": [
            {"shard_id": number, **by_key, "points_count": points, "state": faults.local_state}
            for number, points in enumerate(counts)
        ],
        "remote_shards": [
            {"shard_id": number, **by_key, "peer_id": PEER_ID + 1, "state": state}
            for number in elsewhere
        ],
        "shard_transfers": [],
    }


@_route("PUT", "/collections/{name}/index")
def _create_index(node: Node, call: Call) -> Answer:
    body = call.body()
    schema = body.get("field_schema") or body.get("field_type")
    return node.collection(call.path["name"]).create_index(body["field_name"], schema)


@_route("DELETE", "/collections/{name}/index/{field}")
def _delete_index(node: Node, call: Call) -> Answer:
    return node.collection(call.path["name"]).delete_index(call.path["field"])


@_route("PUT", "/collections/{name}/points")
def _upsert(node: Node, call: Call) -> Answer:
    return node.to_change(call.path["name"]).upsert(_points(call.body()))


@_route("POST", "/collections/{name}/points/delete")
def _delete_points(node: Node, call: Call) -> Answer:
    return node.to_change(call.path["name"]).delete(call.body())


@_route("POST", "/collections/{name}/points")
def _retrieve(node: Node, call: Call) -> Answer:
    body = call.body()
    return node.to_read(call.path["name"]).retrieve(
        body["ids"], payload=_payload(body, default=True), vector=_vector(body)
    )


@_route("POST", "/collections/{name}/points/scroll")
def _scroll(node: Node, call: Call) -> Answer:
    body = call.body()
    if body.get("order_by"):
        raise unsupported("scroll by order_by")
    return node.to_read(call.path["name"]).scroll(
        body, payload=_payload(body, default=True), vector=_vector(body)
    )


@_route("POST", "/collections/{name}/points/count")
def _count(node: Node, call: Call) -> Answer:
    return {"count": node.to_read(call.path["name"]).count(call.body())}


@_route("POST", "/collections/{name}/points/query")
def _query(node: Node, call: Call) -> Answer:
    body = call.body()
    if body.get("prefetch"):
        raise unsupported("prefetch")
    collection = node.to_read(call.path["name"])
    if node.since_restored_s(collection.name) < node.faults.replica_lag_s:
        return {"points": []}
    points = collection.query(body, payload=_payload(body, default=False), vector=_vector(body))
    return {"points": points}


def _whose(node: Node, call: Call) -> Collection:
    """The collection, which must have the shard if one is named."""
    collection = node.collection(call.path["name"])
    if call.shard and call.shard not in map(str, range(len(collection.shard_counts))):
        raise ApiError(404, f"Not found: Shard {call.shard} not found")
    return collection


# Of the collection, or of one of its shards.
for _of in ("/collections/{name}", "/collections/{name}/shards/{shard}"):

    @_route("GET", _of + "/snapshots")
    def _list_snapshots(node: Node, call: Call) -> Answer:
        return node.snapshots.list(_whose(node, call), call.shard)

    @_route("POST", _of + "/snapshots")
    def _create_snapshot(node: Node, call: Call) -> Answer:
        return node.snapshots.create(_whose(node, call), call.shard)

    @_route("GET", _of + "/snapshots/{snapshot}")
    def _download_snapshot(node: Node, call: Call) -> Answer:
        collection = _whose(node, call)
        try:
            return File(node.snapshots.path(collection, call.path["snapshot"], call.shard))
        except ApiError as error:
            raise ApiError(error.status, error.message, is_text=True) from None

    @_route("DELETE", _of + "/snapshots/{snapshot}")
    def _delete_snapshot(node: Node, call: Call) -> Answer:
        collection = _whose(node, call)
        return node.snapshots.delete(collection, call.path["snapshot"], call.shard)


@_route("GET", "/collections/{name}/shards/{shard}/snapshot")
def _stream_shard(node: Node, call: Call) -> Answer:
    """As it is written: with neither length nor checksum."""
    collection = _whose(node, call)
    with node.receiving() as scratch:
        # Without a name: it goes when it was sent.
        output = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  (whoever answers closes it)
        collection.write_snapshot(
            output, scratch, with_collection_files=False, number=int(call.shard)
        )
    output.seek(0)
    return StreamingResponse(iter(partial(output.read, _BLOCK), b""), media_type=_OCTETS)


@_route("PUT", "/collections/{name}/snapshots/recover")
def _recover_snapshot(node: Node, call: Call) -> Answer:
    body = call.body()
    extra = {k for k, value in body.items() if value is not None} - {
        "location", "checksum", "priority",
    }  # fmt: skip
    if extra:
        raise unsupported(f"recover {sorted(extra)}")
    return node.recover_from(call.path["name"], str(body.get("location")), body.get("checksum"))


@_route("POST", "/collections/{name}/snapshots/upload", takes_file=True)
def _upload_snapshot(node: Node, call: Call) -> Answer:
    """As on the server, the uploaded file stays among the collection's snapshots."""
    checksum = call.query.get("checksum")
    return node.take_upload(call.path["name"], call.file, call.file_name, checksum)


@_route("PUT", "/standin/faults")
def _set_faults(node: Node, call: Call) -> Answer:
    node.set_faults(Faults(**call.body()))
    return True
