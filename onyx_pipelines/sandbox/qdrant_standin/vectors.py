"""A collection's vectors, in requests, in the server's configuration and in the engine's own types.

Dense vectors with one name or several, multivectors and sparse vectors.
"""

from __future__ import annotations

import uuid
from typing import Any

import qdrant_edge as edge

from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported

_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}
_MAX_SIM = {"comparator": "max_sim"}
_DEFAULTS: Json = {
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
}


def new_config(request: Json) -> Json:
    """The configuration that a server would keep for this request.

    Raises:
        ApiError: 501 for what the stand-in cannot keep.
    """
    for name, value in request.items():
        if name not in ("vectors", "sparse_vectors") and value not in (None, 1, {}, False):
            raise unsupported(f"create_collection.{name}")
    vectors = request.get("vectors") or {}
    params: Json = {
        "vectors": (
            _dense(vectors)
            if "size" in vectors
            else {name: _dense(value) for name, value in vectors.items()}
        ),
        "shard_number": 1,
        "replication_factor": 1,
        "write_consistency_factor": 1,
        "on_disk_payload": True,
    }
    sparse = request.get("sparse_vectors") or {}
    if sparse:
        params["sparse_vectors"] = {name: _sparse(value) for name, value in sparse.items()}
    return {"params": params, **_DEFAULTS, "uuid": str(uuid.uuid4())}


def _dense(value: Json) -> Json:
    given = {key: part for key, part in value.items() if part is not None}
    extra = given.keys() - {"size", "distance", "multivector_config"}
    if extra:
        raise unsupported(f"vector parameters {sorted(extra)}")
    if given.get("distance") not in _DISTANCES:
        raise ApiError(400, f"Format error in JSON body: distance {given.get('distance')!r}")
    if not isinstance(given.get("size"), int):
        raise ApiError(400, f"Format error in JSON body: size {given.get('size')!r}")
    if given.get("multivector_config", _MAX_SIM) != _MAX_SIM:
        raise unsupported(f"multivector_config {given['multivector_config']}")
    return given


def _sparse(value: Json | None) -> Json:
    extra = {key for key, part in (value or {}).items() if part not in (None, {})}
    if extra:
        raise unsupported(f"sparse vector parameters {sorted(extra)}")
    return {}


def engine_config(config: Json) -> Any:
    """The same for the engine."""
    params = config["params"]
    dense = params["vectors"]
    return edge.EdgeConfig(
        vectors=(
            _engine_params(dense)
            if "size" in dense
            else {name: _engine_params(value) for name, value in dense.items()}
        ),
        sparse_vectors={
            name: edge.EdgeSparseVectorParams() for name in params.get("sparse_vectors", {})
        },
    )


def _engine_params(value: Json) -> Any:
    multi = None
    if "multivector_config" in value:
        multi = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
    return edge.EdgeVectorParams(
        size=value["size"], distance=_DISTANCES[value["distance"]], multivector_config=multi
    )


def to_vector(value: Any) -> Any:
    """A vector of the REST API as the engine takes it."""
    if not isinstance(value, dict):
        return value
    if value.keys() == {"indices", "values"}:
        return edge.SparseVector(indices=value["indices"], values=value["values"])
    return {name: to_vector(each) for name, each in value.items()}


def from_vector(value: Any) -> Any:
    """And back."""
    if isinstance(value, edge.SparseVector):
        return {"indices": value.indices, "values": value.values}
    if isinstance(value, dict):
        return {name: from_vector(each) for name, each in value.items()}
    return value
