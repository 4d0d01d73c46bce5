"""A volume's archive as a stream of members, each proved to be one that the archiver could write.

Members come in the order of the walk that wrote them, every path once, each after its directory:
so nothing that came before can be replaced, and no list of what came is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from onyx_pipelines.archive import headers
from onyx_pipelines.archive.attributes import attributes_to_set, is_attribute
from onyx_pipelines.archive.data_map import DataMap, parse_table, segments_of_table
from onyx_pipelines.archive.headers import (
    BLOCK_BYTES,
    END_OF_ARCHIVE,
    MAX_FILE_BYTES,
    EntryType,
    Header,
    padding,
)
from onyx_pipelines.core.errors import IntegrityError

_READ_BYTES: Final = 1 << 20
# Most file systems end at 255 bytes; exFAT, NTFS and CIFS count letters, FUSE takes any path.
_LONGEST_NAME: Final = 4095
# A file's attributes and names; XFS allows 64 KiB for one attribute.
_MAX_PAX_BYTES: Final = 32 << 20
_SPARSE_KEYS: Final = frozenset(DataMap(0).records(b""))
_TYPES: Final = {kind: entry for entry, kind in headers.MEMBER_TYPES.items()} | {
    headers.HARD_LINK: EntryType.FILE
}
_REMEDY: Final = "Verify the backup set, and use its other copy or another set."


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def refused(how: str) -> IntegrityError:
    """The archive is damaged, or made to do harm: nothing more of it is extracted."""
    return IntegrityError(f"The archive {how}.", remedy=_REMEDY)


class ArchiveBlocks:
    """Exact pieces of an archive's plain bytes; memory: one block.

    Nothing is read past `total_bytes`, which the set's record says that the archive has;
    `count_bytes` hears of all that was read.
    """

    def __init__(
        self, reader: Readable, total_bytes: int, count_bytes: Callable[[int], None]
    ) -> None:
        self._reader = reader
        self._count_bytes = count_bytes
        self._total = total_bytes
        self._block = memoryview(b"")
        self.position = 0

    @property
    def remaining_bytes(self) -> int:
        return self._total - self.position

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes, held in memory. Raises IntegrityError where there are less."""
        if len(self._block) >= count:
            return bytes(self._next(count))
        return b"".join(self.pieces(count))

    def take_zeros(self, count: int) -> None:
        if any(self.take(count)):
            raise refused("has data where nothing should be")

    def pieces(self, count: int) -> Iterator[memoryview]:
        """Exactly `count` bytes as views, each valid until the next."""
        if count > self.remaining_bytes:
            raise refused(f"ends {count - self.remaining_bytes} bytes before it should")
        while count:
            piece = self._next(count)
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> None:
        for _ in self.pieces(count):
            pass

    def expect_end(self) -> None:
        """Read the end too, where the vault checks the whole. Raises IntegrityError."""
        if self.remaining_bytes or self._block or self._reader.read(1):
            raise refused("goes on after its end")

    def _next(self, count: int) -> memoryview:
        if not self._block:
            self._block = memoryview(self._reader.read(_READ_BYTES))
            if not self._block:
                raise refused(f"ends after {self.position} bytes")
            self._count_bytes(len(self._block))
        piece, self._block = self._block[:count], self._block[count:]
        self.position += len(piece)
        return piece


@dataclass(frozen=True, slots=True)
class Member:
    """One member. `parts` are the names from the root, none for the root itself.

    `segments` says where a file's content has data: one segment unless it is sparse. `attributes`
    are (name, value) in the order in which they are to be set, access control lists last.
    """

    parts: tuple[bytes, ...]
    type: EntryType
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    segments: DataMap
    link_target: bytes = b""
    hard_link_to: tuple[bytes, ...] | None = None
    device: tuple[int, int] = (0, 0)
    attributes: tuple[tuple[str, bytes], ...] = ()

    @property
    def path(self) -> bytes:
        """Relative to the volume, as its facts have it; `.` is the root."""
        return b"/".join(self.parts) or b"."


class Archive:
    """Iterate `members` once; `content` gives what the current one holds."""

    def __init__(self, blocks: ArchiveBlocks) -> None:
        self._blocks = blocks
        self._content_end = 0

    def members(self) -> Iterator[Member]:
        """Every member; then the archive's end was read, and nothing followed it.

        Raises:
            IntegrityError: the archive is damaged, or holds what no archive of ours does.
        """
        previous: tuple[bytes, ...] | None = None
        while (member := self._next_member()) is not None:
            if previous is None and member.parts:
                raise refused("does not begin with the volume's root")
            if previous is not None and member.parts <= previous:
                raise refused(f"has {member.path[:300]!r} twice or out of order")
            previous = member.parts
            yield member
            self._blocks.skip(self._content_end - self._blocks.position)
            self._blocks.take_zeros(padding(self._content_end))
        if previous is None:
            raise refused("is empty")
        self._blocks.expect_end()

    def content(self, member: Member) -> Iterator[tuple[int, memoryview]]:
        """(offset, bytes) of the current member's data, in order; views valid until the next."""
        for start, length in member.segments:
            offset = start
            for piece in self._blocks.pieces(length):
                yield offset, piece
                offset += len(piece)

    def _next_member(self) -> Member | None:
        """None at the archive's end; `_content_end` is where its content will have been read."""
        try:
            header = self._next_header()
            if header is None:
                return None
            _refuse_unknown(header)
            member = _member(header, self._segments(header))
        except ValueError as error:
            raise refused(f"has {error}") from None
        self._content_end = self._blocks.position + member.segments.data_bytes
        return member

    def _next_header(self) -> Header | None:
        header = self._parsed_block({})
        if header is None or header.type != headers.EXTENDED:
            return header
        if header.size_bytes > _MAX_PAX_BYTES:
            raise ValueError("a pax header of an absurd size")
        records = headers.parse_pax(self._blocks.take(header.size_bytes))
        self._blocks.take_zeros(padding(header.size_bytes))
        header = self._parsed_block(records)
        if header is None or header.type == headers.EXTENDED:
            raise ValueError("a pax header that belongs to no member")
        return header

    def _parsed_block(self, records: dict[bytes, bytes]) -> Header | None:
        block = self._blocks.take(BLOCK_BYTES)
        if block != END_OF_ARCHIVE[:BLOCK_BYTES]:
            return headers.decode_header(block, records)
        self._blocks.take_zeros(BLOCK_BYTES)
        return None

    def _segments(self, header: Header) -> DataMap:
        """Of what follows; the table of a sparse member is read."""
        is_content = header.type == headers.REGULAR
        size = header.size_bytes
        if size > (self._blocks.remaining_bytes if is_content else 0):
            raise ValueError(f"a member that claims {size} bytes, which it cannot have")
        said = {key: value for key, value in header.records.items() if key in _SPARSE_KEYS}
        if not said:
            return DataMap.whole(size)
        real_size = headers.parse_number(
            said.get(b"GNU.sparse.realsize", b""), "sparse file's size", at_most=MAX_FILE_BYTES
        )
        known = DataMap(real_size).records(said.get(b"GNU.sparse.name", b""))
        if not is_content or said != known:
            raise ValueError("a sparse member of an unknown kind")
        begun = self._blocks.position
        numbers = parse_table(self._blocks.take(BLOCK_BYTES) for _ in range(size // BLOCK_BYTES))
        return segments_of_table(numbers, real_size, size - (self._blocks.position - begun))


def _refuse_unknown(header: Header) -> None:
    if header.type not in _TYPES:
        raise ValueError(f"a member of the unknown type {header.type!r}")
    for key in header.records:
        if key not in _SPARSE_KEYS and not is_attribute(key):
            raise ValueError(f"the unknown pax record {key[:100]!r}")


def _member(header: Header, segments: DataMap) -> Member:
    kind = _TYPES[header.type]
    path = header.records.get(b"GNU.sparse.name", header.path)
    parts = split_path(path, is_directory=kind is EntryType.DIRECTORY)
    if header.mode > 0o7777:
        raise ValueError(f"the mode {header.mode:o}")
    is_hard_link = header.type == headers.HARD_LINK
    link = header.link
    if kind is EntryType.SYMLINK and (not link or b"\0" in link):
        raise ValueError(f"the symbolic link {path[:300]!r} without a target")
    return Member(
        parts=parts,
        type=kind,
        mode=header.mode,
        uid=header.uid,
        gid=header.gid,
        mtime_ns=header.mtime_ns,
        segments=segments,
        link_target=link if kind is EntryType.SYMLINK else b"",
        hard_link_to=split_path(link, is_directory=False) if is_hard_link else None,
        device=header.device,
        attributes=attributes_to_set(
            {key: value for key, value in header.records.items() if key not in _SPARSE_KEYS}
        ),
    )


def split_path(path: bytes, *, is_directory: bool) -> tuple[bytes, ...]:
    """The names on the way from the root, which itself is `./`; every archive path begins so."""
    if path.startswith(b"/"):
        raise ValueError(f"the absolute path {path!r}")
    if not path.startswith(b"./"):
        raise ValueError(f"the path {path!r}, which is not relative to the volume's root")
    if is_directory != path.endswith(b"/"):
        raise ValueError(f"the path {path!r} for something of another type")
    inner = path[2:-1] if is_directory else path[2:]
    if path == b"./":
        return ()
    parts = tuple(inner.split(b"/"))
    for part in parts:
        if part in (b"", b".", b"..") or b"\0" in part or len(part) > _LONGEST_NAME:
            raise ValueError(f"the path {path[:300]!r}, which no file of a volume can have")
    return parts
