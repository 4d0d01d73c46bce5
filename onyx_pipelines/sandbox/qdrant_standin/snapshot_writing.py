"""A snapshot archive in the server's layout: of a whole collection, or of its shard alone.

The archives of segments within it end with their last member, as a server's do; only the outer one
has the blocks that mark an end.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.sparse_tar import add_file, data_pieces

# As long as a server's.
PEER_ID = 1_000_000_000_000_001
_COLLECTION_STORAGE_VERSION = b"0.4.2"
_REPLICA_STATE = {"is_local": True, "this_peer_id": PEER_ID, "peers": {str(PEER_ID): "Active"}}
_LAST_IN_SEGMENT = "version.info"


def copy_shard(shard_dir: Path, copy: Path) -> None:
    """With its holes. The shard is flushed, and not written to meanwhile."""
    for path in sorted(shard_dir.rglob("*")):
        target = copy / path.relative_to(shard_dir)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy_file(path, target)


def _copy_file(path: Path, target: Path) -> None:
    with path.open("rb") as source, target.open("wb") as output:
        size = os.fstat(source.fileno()).st_size
        for piece in data_pieces(source.fileno(), size):
            source.seek(piece.offset)
            output.seek(piece.offset)
            output.write(source.read(piece.length))
        output.truncate(size)


def write_collection_snapshot(
    output: IO[bytes], shard_dirs: Sequence[Path], config: Json, indexes: Mapping[str, Any]
) -> None:
    """Segments as archives within the archive, under the shard's number; then the collection's own
    files.

    Args:
        shard_dirs: copies, in the order of the shards.
    """
    with _archive(output) as archive:
        for number, shard_dir in enumerate(shard_dirs):
            for segment in _segments(shard_dir):
                _add_nested(archive, segment, f"{number}/segments/{segment.name}.tar")
            _add_shard_files(archive, shard_dir, f"{number}/")
        _add_bytes(archive, "version.info", _COLLECTION_STORAGE_VERSION)
        _add_bytes(archive, "config.json", json.dumps(config).encode())
        _add_bytes(archive, "shard_key_mapping.json", b"[]")
        _add_bytes(archive, "payload_index.json", json.dumps({"schema": dict(indexes)}).encode())


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


def _add_nested(archive: tarfile.TarFile, segment: Path, name: str) -> None:
    with tempfile.TemporaryFile(dir=segment.parents[2]) as temporary:
        nested = tarfile.open(fileobj=temporary, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115  (closing writes the end's blocks)
        _add_tree(nested, segment, "snapshot/files/")
        entry = tarfile.TarInfo(name)
        entry.size = temporary.tell()
        temporary.seek(0)
        archive.addfile(entry, temporary)


def _add_shard_files(archive: tarfile.TarFile, shard_dir: Path, prefix: str) -> None:
    _add_tree(archive, shard_dir / "wal", f"{prefix}wal/")
    _add_bytes(archive, f"{prefix}replica_state.json", json.dumps(_REPLICA_STATE).encode())
    # The server writes this one last, too.
    _add_bytes(archive, f"{prefix}shard_config.json", b'{"type":"ReplicaSet"}')


def _add_tree(archive: tarfile.TarFile, root: Path, prefix: str) -> None:
    paths = [path for path in root.rglob("*") if path.is_file() and path.name != ".wal"]
    for path in sorted(paths, key=lambda each: (each.name == _LAST_IN_SEGMENT, each)):
        add_file(archive, path, prefix + str(path.relative_to(root)))


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
