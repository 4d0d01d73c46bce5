"""Qdrant's snapshot archive, read as a stream into directories that Qdrant's Edge engine opens.

Layout (qdrant 1.14 to 1.20): `<shard>/segments/<uuid>.tar` or `<shard>/segments/<uuid>/…`,
`<shard>/wal/…`, `<shard>/replica_state.json`, `config.json`; a shard's snapshot has no `<shard>/`.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from onyx_pipelines.errors import IntegrityError

_CHUNK = 1024 * 1024
_ZEROS = bytes(64 * 1024)
_END_MARKER = bytes(1024)
# What the server itself accepts: directories, regular and GNU-sparse files.
_ALLOWED = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE)
_COLLECTION_FILES = frozenset(
    {"config.json", "version.info", "payload_index.json", "shard_key_mapping.json"}
)
_COLLECTION_FILE_LIMIT = 64 * 1024 * 1024
# Edge drops a segment without one of these in silence.
_NEEDED_IN_SEGMENT = ("version.info", "segment.json")


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass
class Shard:
    """One shard of a snapshot. `is_local` is False where its data is in another node's snapshot."""

    segments: list[str] = field(default_factory=list)
    is_local: bool | None = None


@dataclass(frozen=True)
class UnpackedSnapshot:
    """`files` are the collection's own (config.json …); shard n lies in `<directory>/<n>`."""

    directory: Path
    files: dict[str, bytes]
    shards: dict[int, Shard]

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(self.files.get("config.json", b"{}"))
        return config


def unpack_snapshot(source: Readable, directory: Path, *, max_bytes: int) -> UnpackedSnapshot:
    """Unpack into a new directory, with holes kept and memory bounded.

    Raises:
        IntegrityError: cut short, a forbidden entry, larger than `max_bytes`, or parts missing.
    """
    directory.mkdir(parents=True)
    reader = _EndWatcher(source)
    unpacking = _Unpacking(directory, max_bytes)
    try:
        with tarfile.open(fileobj=reader, mode="r|", bufsize=_CHUNK) as archive:  # type: ignore[call-overload]
            for member, path in _members(archive):
                if not member.isdir():
                    unpacking.take(archive, member, path)
    except tarfile.TarError as error:
        raise _bad(f"it is broken ({error})") from None
    reader.require_end_marker()
    unpacking.require_complete()
    return UnpackedSnapshot(directory, unpacking.files, unpacking.shards)


class _Unpacking:
    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._left = max_bytes
        self.files: dict[str, bytes] = {}
        self.shards: dict[int, Shard] = {}

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: PurePosixPath) -> None:
        if len(path.parts) == 1 and path.name in _COLLECTION_FILES:
            if member.size > _COLLECTION_FILE_LIMIT:
                raise _bad(f"{path} is absurdly large")
            self.files[path.name] = _content(archive, member).read()
            return
        number, inner = 0, path
        if path.parts[0].isdigit() and len(path.parts) > 1:
            number, inner = int(path.parts[0]), PurePosixPath(*path.parts[1:])
        shard = self.shards.setdefault(number, Shard())
        root = self._directory / str(number)
        content = _content(archive, member)
        if inner.parts[0] == "segments" and len(inner.parts) == 2 and inner.suffix == ".tar":
            self._take_nested(content, shard, root / "segments" / inner.stem)
        elif inner.parts[0] == "segments" and len(inner.parts) > 2:
            segment = inner.parts[1]
            if segment not in shard.segments:
                shard.segments.append(segment)
            rest = _within_segment(PurePosixPath(*inner.parts[2:]))
            if rest is not None:
                self._copy(content, member.size, root / "segments" / segment, rest)
        elif inner.name == "replica_state.json":
            state = content.read()
            shard.is_local = bool(json.loads(state)["is_local"])
            self._copy(io.BytesIO(state), len(state), root, inner)
        else:
            self._copy(content, member.size, root, inner)

    def _take_nested(self, content: IO[bytes], shard: Shard, root: Path) -> None:
        shard.segments.append(root.name)
        with tarfile.open(fileobj=content, mode="r|", bufsize=_CHUNK) as nested:
            for member, path in _members(nested):
                rest = None if member.isdir() else _within_segment(path)
                if rest is not None:
                    self._copy(_content(nested, member), member.size, root, rest)

    def _copy(self, source: IO[bytes], size: int, root: Path, path: PurePosixPath) -> None:
        self._left -= size
        if self._left < 0:
            raise _bad("it unpacks to more bytes than allowed")
        target = root.joinpath(*path.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as output:
            while data := source.read(_CHUNK):
                for start in range(0, len(data), len(_ZEROS)):
                    piece = data[start : start + len(_ZEROS)]
                    if piece == _ZEROS[: len(piece)]:
                        output.seek(len(piece), io.SEEK_CUR)
                    else:
                        output.write(piece)
            output.truncate(size)

    def require_complete(self) -> None:
        if not self.shards:
            raise _bad("it holds no shard")
        for number, shard in self.shards.items():
            if shard.is_local is False:
                continue
            if shard.is_local is None or not shard.segments:
                raise _bad(f"shard {number} has no replica_state.json or no segment")
            root = self._directory / str(number)
            for segment in shard.segments:
                for needed in _NEEDED_IN_SEGMENT:
                    if not (root / "segments" / segment / needed).is_file():
                        raise _bad(f"shard {number}, segment {segment}: {needed} is missing")
            if not (root / "wal").is_dir():
                raise _bad(f"shard {number} has no write-ahead log")


class _EndWatcher:
    """Remembers the last bytes: the end marker proves that the writer had finished."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._tail = b""

    def read(self, size: int = _CHUNK) -> bytes:
        data = self._source.read(size)
        self._tail = (self._tail + data)[-len(_END_MARKER) :]
        return data

    def require_end_marker(self) -> None:
        while self.read():
            pass
        if self._tail != _END_MARKER:
            raise _bad("it has no end marker, so it was cut short")


def _members(archive: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, PurePosixPath]]:
    for member in archive:
        path = PurePosixPath(member.name)
        if member.type not in _ALLOWED:
            raise _bad(f"{member.name!r} is neither file nor directory")
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise _bad(f"{member.name!r} would leave its directory")
        yield member, path


def _within_segment(path: PurePosixPath) -> PurePosixPath | None:
    if path.parts[:2] == ("snapshot", "files"):
        return PurePosixPath(*path.parts[2:])
    if path.parts[0] == "files":
        return PurePosixPath(*path.parts[1:])
    # What else stands under snapshot/ are RocksDB's leftovers.
    return None if path.parts[0] == "snapshot" else path


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    if content is None:
        raise _bad(f"{member.name!r} has no content")
    return content


def _bad(problem: str) -> IntegrityError:
    return IntegrityError(
        f"The Qdrant snapshot is not good: {problem}.", remedy="Use another backup set."
    )
