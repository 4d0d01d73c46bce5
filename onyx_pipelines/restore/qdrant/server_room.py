"""What an upload needs on the server's disk, which no call of the server tells. Pure.

Measured on a real server: 2.4 times the snapshot at the peak, for the file, what is unpacked of it
and the collection. In place the compared copy stands beside meanwhile, and the collection that is
replaced is gone by then: room for 2.55 times was not enough beside one of the same size.
"""

from __future__ import annotations

import re
from typing import Final

_AT_PEAK: Final = 2.4
_WITH_THE_COPY: Final = 1 + _AT_PEAK
_FULL: Final = re.compile(r"no space left|os error 28|not enough (disk )?space", re.IGNORECASE)
# The server has checked the checksum by then: what it could not unpack is whole.
_PROBABLY_FULL: Final = re.compile(r"failed to unpack", re.IGNORECASE)
_SERVER_FAILED: Final = 500


def peak_text(snapshot_bytes: int) -> str:
    """`972,000,000 bytes free at its peak, 2.4 times the snapshot`."""
    return _text(snapshot_bytes, _AT_PEAK)


def peak_in_place_text(snapshot_bytes: int) -> str:
    """The same, where a collection is replaced."""
    return _text(snapshot_bytes, _WITH_THE_COPY)


def shortage(status: int, said: str, snapshot_bytes: int) -> tuple[str, str] | None:
    """What to add to an answer that an upload got, and what to do; None: it is not about room."""
    if status < _SERVER_FAILED:
        return None
    needs = f"the upload needs {peak_text(snapshot_bytes)}, besides what is there"
    if status == 507 or _FULL.search(said):
        return "its disk is full: ", f"Free room on the server's disk: {needs}."
    if _PROBABLY_FULL.search(said):
        return "its disk is probably full: ", f"Free room on the server's disk: {needs}."
    return "", f"See Qdrant's own log, and whether its disk has room: {needs}."


def _text(snapshot_bytes: int, times: float) -> str:
    return f"{int(times * snapshot_bytes):,} bytes free at its peak, {times:g} times the snapshot"
