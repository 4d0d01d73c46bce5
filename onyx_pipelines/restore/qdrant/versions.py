"""Can this server, or the engine, read that server's snapshot? Pure."""

from __future__ import annotations

import re
from typing import Final

_VERSION = re.compile(r"(\d+)\.(\d+)")
# What qdrant-edge-py 0.9 was seen to read, and the Qdrant that it is built of.
ENGINE_READS: Final = ((1, 16), (1, 20))


def is_older(server: str, snapshot: str) -> bool:
    """Whether the server's minor version is below the snapshot's (Qdrant's rule for snapshots).

    False where one of them does not read like a version: then the comparison must tell.
    """
    here, there = _minor(server), _minor(snapshot)
    if here is None or there is None:
        return False
    return here < there


def engine_reads(snapshot: str) -> bool:
    """Whether the engine is known to read the snapshots of that version of the server."""
    there = _minor(snapshot)
    return there is not None and ENGINE_READS[0] <= there <= ENGINE_READS[1]


def engine_range() -> str:
    """For a sentence: `1.16 to 1.20`."""
    return " to ".join(".".join(map(str, each)) for each in ENGINE_READS)


def same_minor(one: str, other: str) -> bool:
    return _minor(one) == _minor(other)


def _minor(text: str) -> tuple[int, int] | None:
    found = _VERSION.match(text)
    return (int(found[1]), int(found[2])) if found else None
