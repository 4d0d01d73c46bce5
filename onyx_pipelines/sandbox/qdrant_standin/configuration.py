"""What a server keeps of a request to make a collection, and what it does when it is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.refusals import unsupported
from onyx_pipelines.sandbox.qdrant_standin.vectors import (
    dense_params,
    sparse_params,
    without_nulls,
)

_HNSW: Final[Json] = {
    "m": 16,
    "ef_construct": 100,
    "full_scan_threshold": 10000,
    "max_indexing_threads": 0,
    "on_disk": False,
}
_OPTIMIZER: Final[Json] = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "max_segment_size": None,
    "memmap_threshold": None,
    "indexing_threshold": 10000,
    "flush_interval_sec": 5,
    "max_optimization_threads": None,
    "prevent_unoptimized": None,
}
_WAL: Final[Json] = {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1}
_PARAMS: Final[Json] = {
    "shard_number": 1,
    "replication_factor": 1,
    "write_consistency_factor": 1,
    "on_disk_payload": True,
}
_KNOWN: Final = frozenset(
    {
        "vectors",
        "sparse_vectors",
        "hnsw_config",
        "optimizers_config",
        "wal_config",
        "quantization_config",
        "strict_mode_config",
        "metadata",
        *_PARAMS,
    }
)
_CHANGEABLE: Final = _KNOWN - {"vectors", "sparse_vectors", "wal_config", "shard_number"} | {
    "params"
}


def new_config(request: Json) -> Json:
    """The configuration that a server would keep for this request.

    Raises:
        ApiError: 400 for what is wrong, 501 for what the stand-in does not know.
    """
    given = _known(request, _KNOWN)
    params: Json = {
        "vectors": dense_params(given.get("vectors") or {}),
        **{key: given.get(key, value) for key, value in _PARAMS.items()},
    }
    if given.get("sparse_vectors"):
        params["sparse_vectors"] = sparse_params(given["sparse_vectors"])
    config: Json = {
        "params": params,
        "hnsw_config": {**_HNSW, **given.get("hnsw_config", {})},
        "optimizer_config": {**_OPTIMIZER, **given.get("optimizers_config", {})},
        "wal_config": {**_WAL, **given.get("wal_config", {})},
        "quantization_config": given.get("quantization_config"),
        "uuid": None,
    }
    for name in ("strict_mode_config", "metadata"):
        if name in given:
            config[name] = given[name]
    return config


def changed_config(config: Json, request: Json) -> Json:
    """After a request to change it: what is named is put over what is there."""
    given = _known(request, _CHANGEABLE)
    changed = {**config, "params": {**config["params"], **given.pop("params", {})}}
    for name, value in given.items():
        kept = "optimizer_config" if name == "optimizers_config" else name
        present = changed.get(kept)
        changed[kept] = {**present, **value} if isinstance(present, dict) else value
    return changed


def as_made_of_a_snapshot(config: Json) -> Json:
    """What a server keeps where it makes a collection of one."""
    left_out = ("read_fan_out_factor", "read_fan_out_delay_ms")
    params = {name: each for name, each in config["params"].items() if name not in left_out}
    return {**config, "params": params}


def incompatibility(present: Mapping[str, Any], snapshot: Mapping[str, Any]) -> str:
    """Why a snapshot cannot be put over a collection that is there; "" if it can.

    A server compares no more than this, and keeps all else as it is in the collection.
    """
    here, there = present["params"], snapshot["params"]
    if here["vectors"] != there["vectors"]:
        return f"Collection vectors: {here['vectors']} Snapshot Vectors: {there['vectors']}"
    if here["shard_number"] != there["shard_number"]:
        return (
            f"Collection shard number: {here['shard_number']} Snapshot shard number:"
            f" {there['shard_number']}"
        )
    return ""


def _known(request: Json, known: frozenset[str]) -> Json:
    given: Json = without_nulls(request)
    for name, value in given.items():
        if name not in known and value not in ({}, False):
            raise unsupported(f"collections with {name}")
    return {name: value for name, value in given.items() if name in known}
