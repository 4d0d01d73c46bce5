"""What a collection is: counts, configuration, a sample of points and one stored query.

A restore drill reads the same facts of the restored collection and compares them.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
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
    nothing was written meanwhile. Sample and query are only what was the same before and after, so
    the snapshot holds exactly that. `checksum_source` says how the snapshot's bytes were checked:
    by the server's checksum, or by their length only (a server with S3 snapshot storage gives
    none).
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


class AliasFacts(_Facts):
    """Every alias of the server: its collection by its name. They are in no snapshot."""

    format: Literal["onyx-qdrant-aliases"] = "onyx-qdrant-aliases"
    format_version: Literal[1] = 1
    aliases: dict[str, str]


def point_fingerprint(vector: object, payload: Mapping[str, Any] | None) -> str:
    """SHA-256 of a point's content.

    Args:
        vector: a list of numbers (dense), of such lists (multi), `{"indices", "values"}` (sparse),
            a mapping of names to any of these, or nothing.
        payload: hashed as canonical JSON; none is the same as an empty one.
    """
    canonical = json.dumps(payload or {}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    content = _vector_bytes(vector) + b"P" + canonical.encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()


def _vector_bytes(vector: object) -> bytes:
    """Each kind with a mark of its own and its length, so that no two vectors look the same.

    Numbers are little-endian float32, which is what Qdrant keeps.
    """
    if not vector:
        return b"-"
    if isinstance(vector, Mapping):
        if set(vector) == {"indices", "values"}:
            pairs = sorted(zip(vector["indices"], vector["values"], strict=True))
            return _marked(
                b"S", len(pairs), (struct.pack("<If", index, value) for index, value in pairs)
            )
        return _marked(
            b"N",
            len(vector),
            (
                _marked(b"n", len(name.encode()), (name.encode(), _vector_bytes(vector[name])))
                for name in sorted(vector)
            ),
        )
    if not isinstance(vector, (list, tuple)):
        raise TypeError(f"not a vector: {type(vector).__name__}")
    if isinstance(vector[0], (list, tuple)):
        return _marked(b"M", len(vector), map(_vector_bytes, vector))
    return _marked(b"D", len(vector), (struct.pack(f"<{len(vector)}f", *vector),))


def _marked(mark: bytes, length: int, parts: Iterable[bytes]) -> bytes:
    return mark + struct.pack("<Q", length) + b"".join(parts)
