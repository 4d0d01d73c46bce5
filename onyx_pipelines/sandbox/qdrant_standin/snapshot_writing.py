"""A snapshot archive in the server's layout: of a whole collection, or of its shard alone."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.sparse_tar import add_file

PEER_ID = 1
_COLLECTION_STORAGE_VERSION = b"0.4.2"
_REPLICA_STATE = {"is_local": True, "this_peer_id": PEER_ID, "peers": {str(PEER_ID): "Active"}}


def write_collection_snapshot(output: IO[bytes], shard_dir: Path, config: Json) -> None:
    """Segments as archives within the archive, under `0/`, and the collection's own files.

    Args:
        shard_dir: flushed, and not written to meanwhile.
    """
    with _archive(output) as archive:
        for segment in _segments(shard_dir):
            _add_nested(archive, segment)
        _add_shard_files(archive, shard_dir, "0/")
        _add_bytes(archive, "version.info", _COLLECTION_STORAGE_VERSION)
        _add_bytes(archive, "config.json", json.dumps(config).encode())
        _add_bytes(archive, "payload_index.json", b'{"schema":{}}')


def write_shard_snapshot(output: IO[bytes], shard_dir: Path) -> None:
    """Segments as directories, nothing of the collection."""
    with _archive(output) as archive:
        for segment in _segments(shard_dir):
            _add_tree(archive, segment, f"segments/{segment.name}/files/")
        _add_shard_files(archive, shard_dir, "")


def _archive(output: IO[bytes]) -> tarfile.TarFile:
    return tarfile.open(fileobj=output, mode="w|", format=tarfile.GNU_FORMAT)


def _segments(shard_dir: Path) -> list[Path]:
    found = (shard_dir / "segments").iterdir()
    return sorted(path for path in found if path.is_dir() and not path.name.startswith("."))


def _add_nested(archive: tarfile.TarFile, segment: Path) -> None:
    with tempfile.TemporaryFile(dir=segment.parents[2]) as temporary:
        with tarfile.open(fileobj=temporary, mode="w", format=tarfile.GNU_FORMAT) as nested:
            _add_tree(nested, segment, "snapshot/files/")
        entry = tarfile.TarInfo(f"0/segments/{segment.name}.tar")
        entry.size = temporary.tell()
        temporary.seek(0)
        archive.addfile(entry, temporary)


def _add_shard_files(archive: tarfile.TarFile, shard_dir: Path, prefix: str) -> None:
    _add_tree(archive, shard_dir / "wal", f"{prefix}wal/")
    _add_bytes(archive, f"{prefix}replica_state.json", json.dumps(_REPLICA_STATE).encode())
    # The server writes this one last, too.
    _add_bytes(archive, f"{prefix}shard_config.json", b'{"type":"ReplicaSet"}')


def _add_tree(archive: tarfile.TarFile, root: Path, prefix: str) -> None:
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.name != ".wal":
            add_file(archive, path, prefix + str(path.relative_to(root)))


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
