"""Which paths of a volume are restored: everything, or named files and subtrees. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from onyx_pipelines.core.errors import SettingsError

Parts = tuple[bytes, ...]


class Reach(Enum):
    """How a path stands to what was chosen."""

    CHOSEN = "chosen"
    # A directory above a chosen path: made so that there is a place for it.
    ABOVE = "above"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Selection:
    """`chosen` are paths none of which lies in another; None stands for the whole volume.

    `link_sources` lie outside, but their content is needed: a chosen path is one more name of it.
    """

    chosen: frozenset[Parts] | None = None
    link_sources: frozenset[Parts] = field(default=frozenset())

    def reach(self, parts: Parts) -> Reach:
        if self.chosen is None or any(parts[:n] in self.chosen for n in range(len(parts) + 1)):
            return Reach.CHOSEN
        if not parts or parts in self._above:
            return Reach.ABOVE
        return Reach.OUTSIDE

    @cached_property
    def _above(self) -> frozenset[Parts]:
        return frozenset(p[:n] for p in self.chosen or () for n in range(1, len(p)))


WHOLE = Selection()


def parts_of(path: bytes) -> Parts:
    """Of a path as facts and walks have it; `.` is the root. In the order of these, a directory
    comes before what it holds, and that before the next."""
    return () if path == b"." else tuple(path.split(b"/"))


def select(paths: Iterable[str]) -> Selection:
    """Paths relative to the volume's root, as people write them; none at all: everything.

    Raises:
        SettingsError: one is absolute, leads out of the volume, or is the volume itself.
    """
    given = frozenset(map(_parts, paths))
    if not given:
        return WHOLE
    return Selection(
        frozenset(p for p in given if not any(p[:n] in given for n in range(1, len(p))))
    )


def _parts(path: str) -> Parts:
    names = tuple(part for part in os.fsencode(path).split(b"/") if part not in (b"", b"."))
    if path.startswith("/") or not names or b".." in names or "\0" in path:
        raise SettingsError(
            f"The path {path!r} names nothing inside of a volume.",
            remedy="Give paths relative to the volume's root, e.g. uploads/report.pdf.",
        )
    return names
