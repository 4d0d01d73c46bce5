"""What the journal keeps of a volume that was put in place: how to know it again, and what a second
comparison has to leave out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue

from onyx_pipelines.restore.volumes.metadata import Limit, Limits
from onyx_pipelines.restore.volumes.selection import Parts


class PlacedVolume(BaseModel):
    """`inodes` of what was put in place, by path; others are there if it never was, or if somebody
    replaced it since. `kept`: what is in no backup and lies there too. Paths in hexadecimal
    digits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inodes: dict[str, int]
    limits: tuple[Limit, ...]
    kept: tuple[str, ...]

    @classmethod
    def at(cls, inodes: Mapping[Path, int], limits: Limits, kept: Sequence[Parts]) -> Self:
        return cls(
            inodes={os.fsencode(path).hex(): inode for path, inode in inodes.items()},
            limits=tuple(limit for limit in Limit if limits.met(limit)),
            kept=tuple(b"/".join(parts).hex() for parts in kept),
        )

    def as_json(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json")

    def is_there(self) -> bool:
        return all(_inode(bytes.fromhex(path)) == inode for path, inode in self.inodes.items())

    def limits_met(self) -> Limits:
        limits = Limits()
        for limit in self.limits:
            limits.add(limit)
        return limits

    def kept_parts(self) -> frozenset[Parts]:
        return frozenset(tuple(bytes.fromhex(path).split(b"/")) for path in self.kept)


def _inode(path: bytes) -> int | None:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return None
