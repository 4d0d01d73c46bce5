"""Which volumes a restore has finished, on disk, so that the same restore resumes after a kill.

One restore of volumes at a time holds it; the hold ends with the process, the list does not.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from onyx_pipelines.errors import AlreadyRunningError, RestoreError
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.volumes.volume_objects import VolumeObjects

# After that, the same command is a new restore, and nothing of the old one is taken for done.
RESUMED_WITHIN: Final = timedelta(hours=24)


class FinishedVolume(BaseModel):
    """`inodes` of what was put in place, by path in hexadecimal digits.

    Others are there if it never was, or if somebody replaced it since.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    inodes: dict[str, int]
    plain_bytes: int
    findings: tuple[Finding, ...]

    @classmethod
    def of(
        cls, volume: VolumeObjects, inodes: Mapping[Path, int], findings: tuple[Finding, ...]
    ) -> Self:
        return cls(
            name=volume.name,
            inodes={os.fsencode(path).hex(): inode for path, inode in inodes.items()},
            plain_bytes=volume.plain_bytes,
            findings=findings,
        )

    def is_there(self) -> bool:
        return all(_inode(bytes.fromhex(path)) == inode for path, inode in self.inodes.items())


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    restore: str
    started_at: AwareDatetime
    finished: tuple[FinishedVolume, ...] = ()


class RestoreJournal:
    """`<state directory>/journal/volumes-restore.json`; absent when no restore is unfinished."""

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / "journal"
        self.path = self._directory / "volumes-restore.json"
        self._content = _Content(restore="", started_at=datetime.now(UTC))

    @contextmanager
    def held(self, restore: str) -> Iterator[None]:
        """Be the only restore of volumes on this host, and know what an earlier try finished.

        Args:
            restore: the same text for the same set, targets and choices.

        Raises:
            AlreadyRunningError: another one is under way.
            RestoreError: the state directory cannot be written.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            fd = os.open(
                self._directory / "volumes-restore.lock",
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
                0o600,
            )
        except OSError as error:
            raise self._unusable(error) from None
        try:
            _lock(fd)
            self._content = self._read(restore)
            yield
        finally:
            os.close(fd)

    def finished(self, name: str) -> FinishedVolume | None:
        """What an earlier try put in place, and is there still."""
        for volume in self._content.finished:
            if volume.name == name and volume.is_there():
                return volume
        return None

    def add(self, volume: FinishedVolume) -> None:
        """This volume is, or is about to be, in place; durable when it returns."""
        others = (other for other in self._content.finished if other.name != volume.name)
        self._content = self._content.model_copy(update={"finished": (*others, volume)})
        temporary = self.path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as file:
                file.write(self._content.model_dump_json(indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
            self._sync()
        except OSError as error:
            raise self._unusable(error) from None

    def close(self) -> None:
        """The whole restore is finished: the next one starts from its beginning."""
        try:
            self.path.unlink(missing_ok=True)
            self._sync()
        except OSError as error:
            raise self._unusable(error) from None

    def _read(self, restore: str) -> _Content:
        now = datetime.now(UTC)
        try:
            content = _Content.model_validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):
            # One that cannot be read only costs that volumes are restored once more.
            return _Content(restore=restore, started_at=now)
        except OSError as error:
            raise self._unusable(error) from None
        is_same = content.restore == restore and now - content.started_at < RESUMED_WITHIN
        return content if is_same else _Content(restore=restore, started_at=now)

    def _sync(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _unusable(self, error: OSError) -> RestoreError:
        return RestoreError(
            f"The journal of restores {self.path} cannot be used ({error.strerror}).",
            remedy="Make ONYX_STATE_DIR writable for this user.",
        )


def _inode(path: bytes) -> int | None:
    try:
        return os.lstat(path).st_ino
    except OSError:
        return None


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunningError(
            "A restore of volumes is under way on this host.",
            remedy="Wait until it ends; if it hangs, end that process: its lock ends with it.",
        ) from None
