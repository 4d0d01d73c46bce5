"""A small disk under PostgreSQL's write-ahead log that images have filled: the server cannot write
any more and ends. Only root can mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.sandbox.game_days.compose import unused_images

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.stack import Sandbox

_DISK_BYTES: Final = 384 << 20
_LARGEST_MESSAGE: Final = 1_000_000
_MOST_MESSAGES: Final = 1000
_ENDS_WITHIN_S: Final = 90.0
_SLOT: Final = "game_day"
_LEFT_BYTES: Final = 4 << 20


class SmallDisk:
    """Of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._point = sandbox.state_dir / "small-disk"
        self._image = sandbox.state_dir / "small-disk.image"
        self._log = sandbox.postgres.data_dir / "pg_wal"
        self._images = unused_images(sandbox)

    @staticmethod
    def why_not() -> str:
        """Why there can be none here; empty: there can."""
        if os.geteuid() != 0:
            return "only root can mount a disk"
        return "" if shutil.which("mkfs.ext4") else "mkfs.ext4 is not installed (e2fsprogs)"

    def fill(self) -> None:
        """The log moves there, images take the rest, and the server writes until it ends.

        Raises:
            OnyxError: it could not be mounted, or the server goes on.
        """
        self._sandbox.postgres.stop()
        self._mount()
        shutil.copytree(self._log, self._point / "pg_wal", copy_function=_copied)
        _give(self._point / "pg_wal", self._log)
        self._log.rename(self._kept)
        self._log.symlink_to(self._point / "pg_wal")
        (self._point / "images").mkdir()
        self._images.symlink_to(self._point / "images")
        self._sandbox.postgres.start()
        image = self._images / "old-release"
        with image.open("wb", buffering=0) as file, suppress(OSError):
            # The last of it by bytes: no more than there is can be had at once.
            os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(self._point).free - _LEFT_BYTES)
            file.seek(0, os.SEEK_END)
            while file.write(bytes(4096)):
                pass
        self._write_until_it_ends()

    def remove(self) -> None:
        """The log is where it was; fine if there is no such disk."""
        if not self._image.exists():
            return
        if self._log.is_symlink():
            # Nothing can be written before there is room.
            for each in self._images.glob("*"):
                each.unlink()
            self._sandbox.postgres.stop()
            back = self._log.with_name("pg_wal.back")
            shutil.rmtree(back, ignore_errors=True)
            shutil.copytree(self._point / "pg_wal", back, copy_function=_copied)
            _give(back, self._kept)
            self._log.unlink()
            back.rename(self._log)
        elif not self._log.exists():
            self._kept.rename(self._log)
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.rmtree(self._log.parent / "pg_replslot" / _SLOT, ignore_errors=True)
        self._images.unlink(missing_ok=True)
        if self._point.is_mount():
            _run("umount", "--lazy", self._point)
        self._point.rmdir()
        self._image.unlink()

    @property
    def _kept(self) -> Path:
        return self._log.with_name("pg_wal.kept")

    def _mount(self) -> None:
        self._point.mkdir(exist_ok=True)
        self._image.touch()
        os.truncate(self._image, _DISK_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", self._image)
        _run("mount", "-o", "loop", self._image, self._point)

    def _write_until_it_ends(self) -> None:
        """It starts again by itself for as long as there is room for a record of the log."""
        deadline = time.monotonic() + _ENDS_WITHIN_S
        size = _LARGEST_MESSAGE
        while self._sandbox.postgres.pid is not None:
            if time.monotonic() > deadline:
                raise OnyxError(
                    "PostgreSQL goes on although its disk is full.", remedy="Report it."
                )
            with suppress(psycopg.Error), self._sandbox.postgres.connect() as connection:
                # Nothing of the log may be used again, as with a replica that is away.
                connection.execute(
                    "SELECT pg_create_physical_replication_slot(%s, true) WHERE NOT EXISTS"
                    " (SELECT FROM pg_replication_slots)",
                    [_SLOT],
                )
                for _ in range(_MOST_MESSAGES):
                    connection.execute(
                        "SELECT pg_logical_emit_message(false, 'game day', repeat('x', %s))",
                        [size],
                    )
            size = max(1, size // 20)
            time.sleep(0.2)


def _copied(source: str, target: str) -> str:
    """With its owner, who is not root."""
    shutil.copy2(source, target)
    _give(Path(target), Path(source))
    return target


def _give(path: Path, like: Path) -> None:
    owner = like.stat()
    os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(owner.st_mode & 0o7777)


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise OnyxError(
            f"{command[0]} failed: {done.stderr.strip()[-300:]}",
            remedy="Only root can mount a disk; see whether this machine has loop devices.",
        )
