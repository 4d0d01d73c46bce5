"""Qdrant's snapshot archive, read as a stream into directories that Qdrant's Edge engine opens.

Layout (qdrant 1.14 to 1.20): `<shard>/segments/<uuid>.tar` or `<shard>/segments/<uuid>/…`,
`<shard>/wal/…`, `<shard>/replica_state.json`, `config.json`; a shard's snapshot has no `<shard>/`.

It is read by `tarfile` and not by our own codec: a server writes GNU's dialect (another magic, old
sparse headers with extensions, long names as members), all of which the strict reader of `archive`
refuses in a volume's archive, and should go on refusing.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.core.whole_answer import OTHER_FORM

_CHUNK = 1024 * 1024
_ZEROS = bytes(64 * 1024)
_END_MARKER_BYTES = 1024
_NAME_LIMIT_BYTES = 255
# What the server itself accepts: directories, regular and GNU-sparse files.
_ALLOWED = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE)
_COLLECTION_FILES = frozenset(
    {"config.json", "version.info", "payload_index.json", "shard_key_mapping.json"}
)
# config.json, replica_state.json and the like are kept in memory.
_SMALL_FILE_LIMIT = 64 * 1024 * 1024
# The engine drops a segment without one of these in silence.
_NEEDED_IN_SEGMENT = ("version.info", "segment.json")
# In the snapshot of a shard alone there are none of its collection.
_NEEDED_OF_A_COLLECTION = frozenset({"config.json", "version.info"})


class UnknownFormError(IntegrityError):
    """A whole snapshot of Qdrant, but not of the form that is known: damaged, or of another
    version.

    Cause: a server newer than those that were tried, or a snapshot that was damaged before it
        was sealed.
    Remedy: drill it on a server of that version (`ONYX_DRILL_QDRANT_URL`), or use another set.
    """

    code = "unknown-form"


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass
class Shard:
    """One shard of a snapshot. `is_local` is False where its data is in another node's snapshot.

    `has_rocksdb`: a segment keeps something in RocksDB, which the Edge engine leaves out.
    """

    segments: list[str] = field(default_factory=list)
    is_local: bool | None = None
    has_rocksdb: bool = False


@dataclass(frozen=True)
class UnpackedSnapshot:
    """`files` are the collection's own (config.json …); shard n lies in `<directory>/<n>`."""

    directory: Path
    files: dict[str, bytes]
    shards: dict[int, Shard]

    @property
    def config(self) -> dict[str, Any]:
        """The collection's configuration; empty in the snapshot of a shard alone."""
        return _json_object("config.json", self.files.get("config.json", b"{}"))

    @property
    def payload_schema(self) -> dict[str, Any]:
        """Of the payload indexes, by field, as the server keeps it."""
        kept = _json_object("payload_index.json", self.files.get("payload_index.json", b"{}"))
        schema = kept.get("schema", {})
        if not isinstance(schema, dict):
            raise _bad("its payload_index.json is something else")
        return schema


def unpack_snapshot(source: Readable, directory: Path, *, max_bytes: int) -> UnpackedSnapshot:
    """Unpack into a new directory, with holes kept and memory bounded.

    Raises:
        UnknownFormError: parts are missing.
        IntegrityError: cut short, a forbidden entry, or larger than `max_bytes`.
    """
    directory.mkdir(parents=True)
    unpacking = _Unpacking(directory, max_bytes)
    try:
        for member, path, content in _files(source, marker_bytes=_END_MARKER_BYTES):
            unpacking.take(member, path, content)
    except (tarfile.TarError, ValueError, OverflowError, IndexError) as error:
        raise _bad(f"it is broken ({error})") from None
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise _bad("two entries have the same place") from None
    unpacking.require_complete()
    return UnpackedSnapshot(directory, unpacking.files, unpacking.shards)


class _Unpacking:
    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory = directory
        self._left = max_bytes
        self._made: set[Path] = set()
        self.files: dict[str, bytes] = {}
        self.shards: dict[int, Shard] = {}

    def take(self, member: tarfile.TarInfo, path: PurePosixPath, content: IO[bytes]) -> None:
        if len(path.parts) == 1 and path.name in _COLLECTION_FILES:
            if path.name in self.files:
                raise FileExistsError(path.name)
            self._count(member.size)
            self.files[path.name] = self._small(member, path, content)
            return
        number, inner = 0, path
        if path.parts[0].isascii() and path.parts[0].isdecimal() and len(path.parts) > 1:
            number, inner = int(path.parts[0]), PurePosixPath(*path.parts[1:])
        shard = self.shards.setdefault(number, Shard())
        root = self._directory / str(number)
        if inner.parts[0] == "segments" and len(inner.parts) == 2 and inner.suffix == ".tar":
            self._take_nested(content, shard, root / "segments", inner.stem)
        elif inner.parts[0] == "segments" and len(inner.parts) > 2:
            segment = inner.parts[1]
            if segment not in shard.segments:
                shard.segments.append(segment)
            rest = _within_segment(PurePosixPath(*inner.parts[2:]))
            if rest is not None:
                self._copy(content, member, root / "segments" / segment, rest)
            else:
                shard.has_rocksdb = True
        elif inner == PurePosixPath("replica_state.json"):
            state = self._small(member, path, content)
            shard.is_local = _is_local(state)
            self._copy(io.BytesIO(state), member, root, inner)
        else:
            self._copy(content, member, root, inner)

    def _take_nested(self, content: IO[bytes], shard: Shard, segments: Path, name: str) -> None:
        if name in ("", ".", ".."):
            raise _bad(f"a segment is called {name!r}")
        shard.segments.append(name)
        for member, path, inner in _files(content):
            rest = _within_segment(path)
            if rest is not None:
                self._copy(inner, member, segments / name, rest)
            else:
                shard.has_rocksdb = True

    def _small(self, member: tarfile.TarInfo, path: PurePosixPath, content: IO[bytes]) -> bytes:
        if member.size > _SMALL_FILE_LIMIT:
            raise _bad(f"{path} is absurdly large")
        return content.read()

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _bad("it unpacks to more bytes than allowed")

    def _copy(
        self, source: IO[bytes], member: tarfile.TarInfo, root: Path, path: PurePosixPath
    ) -> None:
        self._count(member.size)
        target = root.joinpath(*path.parts)
        if target.parent not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(target.parent)
        # tarfile's reader of a stream says that it cannot seek; what it wraps can, forwards.
        unbuffered = getattr(source, "raw", source)
        with target.open("xb") as output:
            for offset, length in _pieces(member):
                unbuffered.seek(offset)
                output.seek(offset)
                _copy_piece(unbuffered, output, length)
            output.truncate(member.size)

    def require_complete(self) -> None:
        if not self.shards:
            raise _unknown("it holds no shard")
        missing = sorted(_NEEDED_OF_A_COLLECTION - self.files.keys())
        if self.files and missing:
            raise _unknown(f"it has no {' and no '.join(missing)}")
        for number, shard in self.shards.items():
            if shard.is_local is False:
                continue
            root = self._directory / str(number)
            if shard.is_local is None or not shard.segments:
                raise _unknown(f"shard {number} has no replica_state.json or no segment")
            if not (root / "shard_config.json").is_file():
                raise _unknown(f"shard {number} has no shard_config.json")
            for segment in shard.segments:
                for needed in _NEEDED_IN_SEGMENT:
                    if not (root / "segments" / segment / needed).is_file():
                        raise _unknown(f"shard {number}, segment {segment}: {needed} is missing")
            if not (root / "wal").is_dir():
                raise _unknown(f"shard {number} has no write-ahead log")


class _EndWatcher:
    """Counts what was read, and the zeros at its end."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.position = 0
        self._data_end = 0

    def read(self, size: int = _CHUNK) -> bytes:
        data = self._source.read(size)
        self.position += len(data)
        content = data.rstrip(b"\0")
        if content:
            self._data_end = self.position - len(data) + len(content)
        return data

    def require_end(self, last_member_end: int, *, marker_bytes: int) -> None:
        """Nothing but zeros after the last member, and at least so many."""
        while self.read():
            pass
        if self._data_end > last_member_end:
            raise _bad("something follows its last entry that is no entry")
        if self.position - last_member_end < marker_bytes:
            raise _bad("it has no end marker, so it was cut short")


def _files(
    source: Readable, *, marker_bytes: int = 0
) -> Iterator[tuple[tarfile.TarInfo, PurePosixPath, IO[bytes]]]:
    """The regular files of a whole archive, each to be read before the next.

    The server ends the outer archive with a marker. Those of segments within it end with their last
    member: how long they are says the outer archive.

    Raises:
        IntegrityError: after the last one, when the archive was cut short there.
    """
    watcher = _EndWatcher(source)
    # Of a stream tarfile calls `read` alone, which its types do not say.
    with tarfile.open(fileobj=watcher, mode="r|", bufsize=_CHUNK) as archive:  # type: ignore[call-overload]  # reads are all that it needs of a file
        for member in archive:
            path = PurePosixPath(member.name)
            if member.type not in _ALLOWED:
                raise _bad(f"{member.name!r} is neither file nor directory")
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise _bad(f"{member.name!r} would leave its directory")
            if any(len(os.fsencode(part)) > _NAME_LIMIT_BYTES for part in path.parts):
                raise _bad(f"{member.name!r} is too long")
            if member.isdir():
                continue
            content = archive.extractfile(member)
            if content is None:
                raise _bad(f"{member.name!r} has no content")
            yield member, path, content
        watcher.require_end(archive.offset, marker_bytes=marker_bytes)


def _pieces(member: tarfile.TarInfo) -> Iterator[tuple[int, int]]:
    """Offset and length of what is not a hole."""
    sparse: Sequence[tuple[int, int]] | None = getattr(member, "sparse", None)
    position = 0
    for offset, length in ((0, member.size),) if sparse is None else sparse:
        if length == 0:
            continue
        if offset < position or length < 0 or offset + length > member.size:
            raise _bad(f"the pieces of {member.name!r} do not fit")
        position = offset + length
        yield offset, length


def _copy_piece(source: IO[bytes], output: IO[bytes], length: int) -> None:
    """Long runs of zeros become holes."""
    left = length
    while left:
        data = source.read(min(_CHUNK, left))
        if not data:
            raise _bad("it was cut short")
        left -= len(data)
        for start in range(0, len(data), len(_ZEROS)):
            piece = data[start : start + len(_ZEROS)]
            if piece == _ZEROS[: len(piece)]:
                output.seek(len(piece), io.SEEK_CUR)
            else:
                output.write(piece)


def _within_segment(path: PurePosixPath) -> PurePosixPath | None:
    if path.parts[:2] == ("snapshot", "files"):
        return PurePosixPath(*path.parts[2:])
    if path.parts[0] == "files":
        return PurePosixPath(*path.parts[1:])
    # What else stands under snapshot/ is RocksDB's.
    return None if path.parts[0] == "snapshot" else path


def _json_object(name: str, data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except OTHER_FORM:
        raise _bad(f"its {name} cannot be read") from None
    if not isinstance(found, dict):
        raise _bad(f"its {name} is something else")
    return found


def _is_local(replica_state: bytes) -> bool:
    try:
        return bool(json.loads(replica_state)["is_local"])
    except OTHER_FORM:
        raise _unknown("a replica_state.json does not say whether the shard is local") from None


def _bad(problem: str, kind: type[IntegrityError] = IntegrityError) -> IntegrityError:
    return kind(f"The Qdrant snapshot is not good: {problem}.", remedy="Use another backup set.")


def _unknown(problem: str) -> IntegrityError:
    return _bad(problem, UnknownFormError)
