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
    """A point that a search found. `score`: in the collection's own distance."""

    id: int | str
    score: float


class QueryFacts(_Facts):
    """An exact search and what it found, best first. `using` names the vector, "" the only one."""

    vector: tuple[float, ...]
    using: str
    neighbours: tuple[Neighbour, ...]


class CollectionFacts(_Facts):
    """One collection around the moment of its snapshot.

    It was looked at twice, before and after: at all of its points (`sample_is_all`) or at a random
    sample. `sample` and `query` are only what was the same both times, so the snapshot holds
    exactly that; `moved` are the points looked at that were not. `writes_seen`: whether the server
    answered any write between both looks; None where it does not say. `checksum_source` says how
    the snapshot's bytes were checked: by the server's checksum, or by their length only (a server
    with S3 snapshot storage gives none). `indexed_vectors`: about so many had an index. `withheld`:
    updates that waited, and points that were hidden, when it was looked at again: the snapshot has
    them, so it may differ by them. Version 1 had samples only, and no `moved`.
    """

    format: Literal["onyx-qdrant-facts"] = "onyx-qdrant-facts"
    format_version: Literal[1, 2] = 2
    collection: str
    server_version: str
    points_before: int
    points_after: int
    config: Json
    payload_schema: Json
    aliases: tuple[str, ...]
    sample: tuple[PointFacts, ...]
    sample_is_all: bool = False
    moved: tuple[int | str, ...] = ()
    writes_seen: bool | None = None
    query: QueryFacts | None
    snapshot_bytes: int
    snapshot_sha256: str
    checksum_source: Literal["server", "length only"]
    indexed_vectors: int | None = None
    withheld: int = 0

    @property
    def has_moved(self) -> bool:
        """Whether it was seen to be written to between both looks."""
        return (
            self.points_before != self.points_after
            or bool(self.moved)
            or self.withheld > 0
            or (not self.sample_is_all and self.writes_seen is True)
        )

    @property
    def was_still(self) -> bool:
        """Whether it is certain that nothing was: the snapshot has exactly the points counted."""
        looked_at_all = self.sample_is_all or self.format_version == 1
        return not self.has_moved and (looked_at_all or self.writes_seen is False)


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
        if _is_sparse(vector):
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


def _is_sparse(vector: Mapping[str, Any]) -> bool:
    """And not two dense ones that are called so: their numbers have a fraction."""
    if vector.keys() != {"indices", "values"}:
        return False
    return all(isinstance(each, int) for each in vector["indices"])


def _marked(mark: bytes, length: int, parts: Iterable[bytes]) -> bytes:
    return mark + struct.pack("<Q", length) + b"".join(parts)
