"""Events on disk that no tracker has taken yet: one file each, of this user only, in the order in
which they were captured.

An event is written before anything is sent, and its file is removed when the tracker has taken
it: what is on disk is what is not delivered, whatever was killed. A file is whole or absent after a
kill of the process; it is not synced, so that a power cut may cost the events of its last seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.errors.lease import leased
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.host.locks import lock

_SUFFIX: Final = ".event"
_COUNTS: Final = "counts.json"
_LOCK: Final = "delivery.lock"
_LEASE: Final = "delivery.lease"

_log = logger("errors")


@dataclass(frozen=True)
class Spooled:
    """One event that waits. `path`: its envelope."""

    path: Path
    captured_at: datetime

    @property
    def event_id(self) -> str:
        """32 hexadecimal digits."""
        return self.path.name.removesuffix(_SUFFIX).rpartition("-")[2]


class Counts(BaseModel):
    """Since the spool was made. `dropped`: for want of room; `refused`: by the tracker."""

    model_config = ConfigDict(frozen=True)

    delivered: NonNegativeInt = 0
    dropped: NonNegativeInt = 0
    refused: NonNegativeInt = 0


@dataclass(frozen=True)
class SpoolStatus:
    """What a person should know of it. `oldest`: when the first that waits was captured."""

    waiting: int
    size_bytes: int
    oldest: datetime | None
    counts: Counts

    @property
    def lost(self) -> int:
        """Events that no tracker will ever have."""
        return self.counts.dropped + self.counts.refused


def spool_status(settings: ErrorSettings) -> SpoolStatus:
    """Of this host. Never raises: a spool that is not there holds nothing."""
    return Spool.of(settings).status()


class Spool:
    """Of several processes, which all put; who delivers is alone while it does.

    Args:
        folder: made where it is missing.
        limit_bytes: of all that waits.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    @classmethod
    def of(cls, settings: ErrorSettings) -> Spool:
        """The one of this host's services."""
        return cls(settings.error_spool, settings.error_spool_limit_mb * 10**6)

    def put(self, event_id: str, envelope: bytes) -> None:
        """Keep it until it is delivered.

        Raises:
            OSError: it cannot be written.
        """
        name = f"{time.time_ns():020}-{event_id}"
        # Paths as texts: somebody waits for this.
        temporary = f"{self.folder}/.{name}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            descriptor = os.open(temporary, flags, 0o600)
        except FileNotFoundError:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(temporary, flags, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(envelope)
            os.rename(temporary, f"{self.folder}/{name}{_SUFFIX}")  # noqa: PTH104  (see above)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    def waiting(self) -> Iterator[Spooled]:
        """The oldest first."""
        # Nothing was kept yet; whoever keeps something says what is wrong with the place.
        with suppress(FileNotFoundError, NotADirectoryError):
            for name in sorted(os.listdir(self.folder)):  # noqa: PTH208  (a Path each would cost more than all else)
                stamp = name.partition("-")[0]
                if name.endswith(_SUFFIX) and stamp.isdecimal():
                    at = datetime.fromtimestamp(int(stamp) / 1e9, UTC)
                    yield Spooled(self.folder / name, at)

    @contextmanager
    def delivering(self) -> Iterator[bool]:
        """Whether the delivery is this process's while the block runs.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock(self.folder / _LOCK) as alone:
            if not alone:
                yield False
                return
            with leased(self.folder / _LEASE) as ours:
                yield ours

    def make_room(self) -> int:
        """Drop the oldest of what is too much; gives how many. For who delivers.

        Raises:
            OSError: that could not be counted.
        """
        found = [(each, _size(each.path)) for each in self.waiting()]
        over = sum(size for _, size in found) - self.limit_bytes
        dropped: list[Spooled] = []
        for each, size in found:
            if over <= 0:
                break
            dropped.append(each)
            over -= size
        if dropped:
            # Counted first: a kill between the two counts some twice, and hides none.
            self.count(dropped=len(dropped))
            for each in dropped:
                each.path.unlink(missing_ok=True)
            _log.error("%d events were dropped: the spool was full", len(dropped))
        return len(dropped)

    def count(self, *, delivered: int = 0, dropped: int = 0, refused: int = 0) -> None:
        """Add to what is remembered. For who delivers.

        Raises:
            OSError: it cannot be written.
        """
        before = self._counts()
        after = Counts(
            delivered=before.delivered + delivered,
            dropped=before.dropped + dropped,
            refused=before.refused + refused,
        )
        replace_durably(self.folder / _COUNTS, after.model_dump_json().encode())

    def status(self) -> SpoolStatus:
        """As it is now."""
        found = list(self.waiting())
        return SpoolStatus(
            waiting=len(found),
            size_bytes=sum(_size(each.path) for each in found),
            oldest=found[0].captured_at if found else None,
            counts=self._counts(),
        )

    def _counts(self) -> Counts:
        try:
            return Counts.model_validate_json((self.folder / _COUNTS).read_bytes())
        except (OSError, ValidationError):
            return Counts()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # delivered meanwhile
        return 0
