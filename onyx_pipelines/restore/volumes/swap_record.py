"""What a swap is about to do, so that a killed one is finished.

Its file lies in the staging directory and not with the other journals: it is true only of the file
system whose inodes it names, goes with the data when that moves to another host, and tells a person
who finds the two trees what they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    JsonValue,
    PlainSerializer,
    ValidationError,
)

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.restore.volumes.metadata import Limit
from onyx_pipelines.restore.volumes.selection import Parts


class Stage(StrEnum):
    """How far a swap is: the first is of named entries, the others of all that a root holds."""

    PLACING = "placing"
    EMPTYING = "emptying"
    FILLING = "filling"


def _from_digits(path: object) -> object:
    if not isinstance(path, str):
        return path
    if not _DIGITS.fullmatch(path):
        raise ValueError("a path in hexadecimal digits")
    parts = tuple(bytes.fromhex(path).split(b"/"))
    if any(part in (b"", b".", b"..") for part in parts):
        raise RestoreError(
            "The record of an interrupted restore names a path that leads elsewhere.",
            remedy="Look at the hidden directories beside the volume, and who wrote them.",
        )
    return parts


_DIGITS: Final = re.compile("(?:[0-9a-f]{2})+")
# Written in hexadecimal digits: names of files may be any bytes.
_Path = Annotated[
    Parts, BeforeValidator(_from_digits), PlainSerializer(lambda parts: b"/".join(parts).hex())
]


class KeptPath(BaseModel):
    """What goes from the replaced tree into the one that replaces it, as it is.

    The times are of the directories that it comes into and goes from, which both changes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: _Path
    new_mtime_ns: int
    old_mtime_ns: int


class Placement(BaseModel):
    """One staged file or tree and where it goes.

    `inode` is the staged one's: as long as it lies at `staged`, it has not been put in place.
    The times are of both: to XFS an exchange of directories changes them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    live: _Path
    staged: _Path
    inode: int
    new_mtime_ns: int | None = None
    old_mtime_ns: int | None = None
    kept: tuple[KeptPath, ...] = ()


class SwapRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    stage: Stage
    placements: tuple[Placement, ...] = ()
    # Where all that a root holds changes places.
    kept: tuple[KeptPath, ...] = ()
    # Of the staged root, which every rename out of it changes.
    root_mtime_ns: int = 0


def unfinished_swap(file: RecordFile[SwapRecord]) -> SwapRecord | None:
    """None: no swap is under way.

    Raises:
        RestoreError: what is there cannot be understood.
    """
    try:
        return file.read()
    except ValidationError:
        raise RestoreError(
            f"The record of an interrupted restore {file.path} cannot be understood.",
            remedy="Both the old and the new data are beside it: put one of them in place by"
            " hand, then remove that directory.",
        ) from None


class PlacedVolume(BaseModel):
    """What the journal keeps of one: how to know it again, and what a second comparison leaves out.

    `inodes` of what was put in place, by path; others are there if it never was, or if somebody
    replaced it since, by paths in hexadecimal digits. `kept`: what is in no backup and lies there
    too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inodes: dict[str, int]
    limits: frozenset[Limit]
    kept: frozenset[_Path]

    @classmethod
    def at(
        cls, inodes: Mapping[Path, int], limits: AbstractSet[Limit], kept: Sequence[Parts]
    ) -> Self:
        return cls(
            inodes={os.fsencode(path).hex(): inode for path, inode in inodes.items()},
            limits=frozenset(limits),
            kept=frozenset(kept),
        )

    def as_json(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json")

    def is_there(self) -> bool:
        return all(_inode(bytes.fromhex(path)) == inode for path, inode in self.inodes.items())


def _inode(path: bytes) -> int | None:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return None
