"""A collection's vectors: in requests, in points, and in the engine's own types.

Dense vectors with one name or several, multivectors and sparse vectors.
"""

from __future__ import annotations

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
_DATATYPES = {
    "float32": edge.VectorStorageDatatype.Float32,
    "float16": edge.VectorStorageDatatype.Float16,
    "uint8": edge.VectorStorageDatatype.Uint8,
}
_MAX_SIM = {"comparator": "max_sim"}
_UNUSED = "unused"
_OF_DENSE = frozenset(
    {
        "size",
        "distance",
        "multivector_config",
        "datatype",
        "on_disk",
        "hnsw_config",
        "quantization_config",
    }
)


def is_single(vectors: Json) -> bool:
    """Parameters of an only vector, and not vectors by name."""
    return isinstance(vectors.get("size"), int)


def dense_params(vectors: Json) -> Json:
    """As a server keeps them.

    Raises:
        ApiError: 400 for what is wrong, 501 for what the stand-in does not know.
    """
    if "size" in vectors and not isinstance(vectors["size"], dict):
        return _dense(vectors)
    return {name: _dense(value) for name, value in vectors.items()}


def sparse_params(vectors: Json) -> Json:
    return {name: _sparse(value or {}) for name, value in vectors.items()}


def _dense(value: Json) -> Json:
    given: Json = without_nulls(value)
    extra = given.keys() - _OF_DENSE
    if extra:
        raise unsupported(f"vector parameters {sorted(extra)}")
    if given.get("distance") not in _DISTANCES:
        raise ApiError(400, f"Format error in JSON body: distance {given.get('distance')!r}")
    if not isinstance(given.get("size"), int):
        raise ApiError(400, f"Format error in JSON body: size {given.get('size')!r}")
    if given.get("datatype", "float32") not in _DATATYPES:
        raise unsupported(f"datatype {given['datatype']}")
    if given.get("multivector_config", _MAX_SIM) != _MAX_SIM:
        raise unsupported(f"multivector_config {given['multivector_config']}")
    return given


def _sparse(value: Json) -> Json:
    given: Json = without_nulls(value)
    extra = given.keys() - {"index", "modifier"}
    if extra:
        raise unsupported(f"sparse vector parameters {sorted(extra)}")
    if given.get("modifier", "none") not in ("none", "idf"):
        raise unsupported(f"modifier {given['modifier']}")
    return given


def without_nulls(value: Any) -> Any:
    """A server leaves out what was not given."""
    if not isinstance(value, dict):
        return value
    return {key: without_nulls(each) for key, each in value.items() if each is not None}


def engine_config(params: Json) -> Any:
    """A collection's `params` for the engine. Indexes and quantization are never built here."""
    dense, sparse = params["vectors"], params.get("sparse_vectors", {})
    if not dense and not sparse:
        # The engine makes no shard without a vector; no point ever has this one.
        sparse = {_UNUSED: {}}
    return edge.EdgeConfig(
        vectors=(
            _engine_params(dense)
            if is_single(dense)
            else {name: _engine_params(value) for name, value in dense.items()}
        ),
        sparse_vectors={
            name: edge.EdgeSparseVectorParams(
                modifier=edge.Modifier.Idf if value.get("modifier") == "idf" else None
            )
            for name, value in sparse.items()
        },
    )


def _engine_params(value: Json) -> Any:
    multi = None
    if "multivector_config" in value:
        multi = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
    return edge.EdgeVectorParams(
        size=value["size"],
        distance=_DISTANCES[value["distance"]],
        multivector_config=multi,
        datatype=_DATATYPES.get(value.get("datatype", "")),
        on_disk=value.get("on_disk"),
    )


def to_vector(value: Any) -> Any:
    """A vector of the REST API as the engine takes it."""
    if not isinstance(value, dict):
        return value
    if value.keys() == {"indices", "values"}:
        return edge.SparseVector(indices=value["indices"], values=value["values"])
    return {name: to_vector(each) for name, each in value.items()}


def from_vector(value: Any) -> Any:
    """A vector of the engine as the REST API has it."""
    if isinstance(value, edge.SparseVector):
        return {"indices": value.indices, "values": value.values}
    if isinstance(value, dict):
        return {name: from_vector(each) for name, each in value.items()}
    return value
