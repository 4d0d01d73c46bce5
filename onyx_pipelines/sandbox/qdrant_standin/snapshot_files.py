"""Snapshot files on disk: made, listed, described, deleted, with the faults injected for that."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG

from onyx_pipelines.sandbox.qdrant_standin.collection import Collection
from onyx_pipelines.sandbox.qdrant_standin.faults import Faults
from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError
from onyx_pipelines.sandbox.qdrant_standin.snapshot_writing import PEER_ID

_TAR_BLOCK_BYTES = 512
_DISK_BLOCK_BYTES = 512
_TAR_RECORD_BYTES = 10 * 1024


class SnapshotFiles:
    """`<directory>/<collection>/*.snapshot`, and of a shard in `shards/<number>/` there.

    They stay when the collection goes, and then nothing lists them, as on a server. A shard is ""
    for the collection's own snapshots, else its number.
    """

    def __init__(self, directory: Path, temporary: Path, faults: Callable[[], Faults]) -> None:
        self.directory = directory
        self._temporary = temporary
        self._faults = faults

    def folder(self, collection: str, shard: str = "") -> Path:
        return self.directory / collection / (f"shards/{shard}" if shard else "")

    def list(self, collection: Collection, shard: str = "") -> list[Json]:
        folder = self.folder(collection.name, shard)
        return [self._describe(path) for path in sorted(folder.glob("*.snapshot"))]

    def path(self, collection: Collection, snapshot: str, shard: str = "") -> Path:
        path = self.folder(collection.name, shard) / snapshot
        if snapshot != path.name or not path.is_file():
            raise ApiError(404, f"Not found: Snapshot {snapshot} not found")
        return path

    def delete(self, collection: Collection, snapshot: str, shard: str = "") -> bool:
        path = self.path(collection, snapshot, shard)
        status = self._faults().delete_status
        if status:
            raise ApiError(status, "Service internal error: injected fault")
        path.unlink()
        _checksum_path(path).unlink(missing_ok=True)
        return True

    def create(self, collection: Collection, shard: str = "") -> Json:
        """Goes on to its end when the client has gone, as on a server."""
        faults = self._faults()
        if faults.create_status:
            raise ApiError(faults.create_status, "Service internal error: injected fault")
        kind = f"shard-{shard}" if shard else str(PEER_ID)
        stamp = f"{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}"
        folder = self.folder(collection.name, shard)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{collection.name}-{kind}-{stamp}.snapshot"
        collection.snapshots_running += 1
        try:
            time.sleep(faults.create_delay_s)
            with self._scratch(target.name) as scratch:
                made = scratch / "snapshot"
                with made.open("wb") as output:
                    collection.write_snapshot(
                        output,
                        scratch,
                        with_collection_files=not shard,
                        number=int(shard or 0),
                    )
                if faults.cut_archive:
                    _cut_end(made)
                _checksum_path(target).write_text(sha256_of(made), encoding="ascii")
                made.rename(target)
            time.sleep(faults.create_linger_s)
            collection.snapshots_made += 1
        finally:
            collection.snapshots_running -= 1
        return self._describe(target)

    @contextmanager
    def _scratch(self, name: str) -> Iterator[Path]:
        """Named like the snapshot, so that there is none for a collection with a long name."""
        try:
            made = tempfile.TemporaryDirectory(prefix=f"{name}-arc-", dir=self._temporary)
        except OSError as error:
            raise ApiError(
                500,
                "Service internal error: failed to create temporary snapshot directory"
                f" {self._temporary / name}-arc-XXXX: {error.strerror} (os error {error.errno})",
            ) from None
        with made as directory:
            yield Path(directory)

    def _describe(self, path: Path) -> Json:
        status = path.stat()
        described: Json = {
            "name": path.name,
            "creation_time": datetime.fromtimestamp(int(status.st_mtime), UTC).strftime(
                "%Y-%m-%dT%H:%M:%S"
            ),
            "size": status.st_size,
        }
        checksum = _checksum_path(path)
        if self._faults().wrong_checksum:
            described["checksum"] = "0" * 64
        elif checksum.exists() and not self._faults().null_checksum:
            described["checksum"] = checksum.read_text(encoding="ascii")
        return described


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def disk_usage(directory: Path) -> int:
    """Bytes that the files below it take on disk."""
    used = 0
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):  # removed meanwhile
            status = path.lstat()
            used += status.st_blocks * _DISK_BLOCK_BYTES if S_ISREG(status.st_mode) else 0
    return used


def _cut_end(archive: Path) -> None:
    """Leave the last member's data, and nothing behind it."""
    with archive.open("r+b") as file:
        before = max(0, file.seek(0, os.SEEK_END) - 2 * _TAR_RECORD_BYTES)
        file.seek(before)
        content = len(file.read().rstrip(b"\0"))
        file.truncate(before + -(-content // _TAR_BLOCK_BYTES) * _TAR_BLOCK_BYTES)


def _checksum_path(snapshot: Path) -> Path:
    return snapshot.with_name(snapshot.name + ".checksum")
