"""Can this server read that server's snapshot? Pure."""

from __future__ import annotations

import re

_VERSION = re.compile(r"(\d+)\.(\d+)")


def is_older(server: str, snapshot: str) -> bool:
    """Whether the server's minor version is below the snapshot's (Qdrant's rule for snapshots).

    False where one of them does not read like a version: then the comparison must tell.
    """
    here, there = _VERSION.match(server), _VERSION.match(snapshot)
    if here is None or there is None:
        return False
    return (int(here[1]), int(here[2])) < (int(there[1]), int(there[2]))
