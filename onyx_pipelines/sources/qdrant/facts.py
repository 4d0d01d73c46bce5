"""What a collection is: counts, configuration, a sample of points and one stored query.

A restore drill reads the same facts of the restored collection and compares them.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PointFacts(_Facts):
    """A sampled point. `fingerprint`: SHA-256 over its vectors (float32) and payload."""

    id: int | str
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Neighbour(_Facts):
    id: int | str
    score: float


class QueryFacts(_Facts):
    """An exact search and what it found, best first. `using` names the vector, "" the only one."""

    vector: tuple[float, ...]
    using: str
    neighbours: tuple[Neighbour, ...]


class CollectionFacts(_Facts):
    """One collection around the moment of its snapshot.

    The snapshot holds between the smaller and the larger of both counts; they are equal where
    nothing was written meanwhile. The sample holds only points that were the same before and after.
    `checksum_source` says how the snapshot's bytes were checked: by the server's checksum, or by
    their length only (a server with S3 snapshot storage gives none).
    """

    format: Literal["onyx-qdrant-facts"] = "onyx-qdrant-facts"
    format_version: Literal[1] = 1
    collection: str
    server_version: str
    points_before: int
    points_after: int
    config: Json
    payload_schema: Json
    aliases: tuple[str, ...]
    sample: tuple[PointFacts, ...]
    query: QueryFacts | None
    snapshot_bytes: int
    snapshot_sha256: str
    checksum_source: Literal["server", "length only"]


def point_fingerprint(vector: object, payload: Mapping[str, Any] | None) -> str:
    """SHA-256 of a point's content: vectors as little-endian float32, payload as canonical JSON."""
    canonical = json.dumps(payload or {}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(_vector_bytes(vector) + b"\0" + canonical.encode()).hexdigest()


def _vector_bytes(vector: object) -> bytes:
    """Dense, multi, sparse and named vectors, each with a mark of its own."""
    if not vector:
        return b"-"
    if isinstance(vector, Mapping):
        if set(vector) == {"indices", "values"}:
            pairs = sorted(zip(vector["indices"], vector["values"], strict=True))
            return b"S" + b"".join(struct.pack("<If", index, value) for index, value in pairs)
        named = (
            name.encode() + b"=" + _vector_bytes(vector[name]) + b";" for name in sorted(vector)
        )
        return b"N" + b"".join(named)
    if not isinstance(vector, (list, tuple)):
        raise TypeError(f"not a vector: {type(vector).__name__}")
    if isinstance(vector[0], (list, tuple)):
        return b"M" + b"|".join(_vector_bytes(each) for each in vector)
    return struct.pack(f"<{len(vector)}f", *vector)
