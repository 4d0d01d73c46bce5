"""A volume's archive as a stream of members, each proved to be one that the archiver could write.

Members come in the order of the walk that wrote them, every path once, each after its directory:
so nothing that came before can be replaced, and no list of what came is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.restore.volumes import tar_parsing
from onyx_pipelines.restore.volumes.tar_parsing import ArchiveBlocks, Header, acl_attribute, refused
from onyx_pipelines.sources.volumes import tar_headers
from onyx_pipelines.sources.volumes.data_map import DataMap
from onyx_pipelines.sources.volumes.facts import EntryType
from onyx_pipelines.sources.volumes.posix_acl import ACCESS_ATTRIBUTE, DEFAULT_ATTRIBUTE
from onyx_pipelines.sources.volumes.tar_headers import BLOCK_BYTES, END_OF_ARCHIVE, padding

# The largest file that ext4 can hold.
MAX_FILE_BYTES: Final = 16 << 40
# A file's attributes and names; XFS allows 64 KiB for one attribute.
_MAX_PAX_BYTES: Final = 32 << 20
_MAX_ID: Final = 2**32 - 2
_PAX: Final = b"x"
_TYPES: Final = {
    tar_headers.REGULAR: EntryType.FILE,
    tar_headers.HARD_LINK: EntryType.FILE,
    tar_headers.SYMLINK: EntryType.SYMLINK,
    tar_headers.CHARACTER_DEVICE: EntryType.CHARACTER_DEVICE,
    tar_headers.BLOCK_DEVICE: EntryType.BLOCK_DEVICE,
    tar_headers.DIRECTORY: EntryType.DIRECTORY,
    tar_headers.FIFO: EntryType.FIFO,
}
_ATTRIBUTE: Final = b"SCHILY.xattr."
_LISTS: Final = {
    b"SCHILY.acl.access": ACCESS_ATTRIBUTE,
    b"SCHILY.acl.default": DEFAULT_ATTRIBUTE,
}
_KNOWN_RECORDS: Final = frozenset(
    {
        b"path",
        b"linkpath",
        b"mtime",
        b"uid",
        b"gid",
        b"size",
        b"GNU.sparse.major",
        b"GNU.sparse.minor",
        b"GNU.sparse.name",
        b"GNU.sparse.realsize",
        *_LISTS,
    }
)


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
        """As in the facts."""
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
        while (header := self._next_header()) is not None:
            member, data_bytes = self._member(*header)
            if previous is None and member.parts:
                raise refused("does not begin with the volume's root")
            if previous is not None and member.parts <= previous:
                raise refused(f"has {member.path[:300]!r} twice or out of order")
            previous = member.parts
            self._content_end = self._blocks.position + data_bytes
            yield member
            self._blocks.skip(self._content_end - self._blocks.position)
            self._take_zeros(padding(self._content_end))
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

    def _next_header(self) -> tuple[Header, dict[bytes, bytes]] | None:
        try:
            header, records = self._parsed_block(), {}
            if header is not None and header.type == _PAX:
                if header.size_bytes > _MAX_PAX_BYTES:
                    raise ValueError("a pax header of an absurd size")
                records = tar_parsing.parse_pax(self._blocks.take(header.size_bytes))
                self._take_zeros(padding(header.size_bytes))
                header = self._parsed_block()
                if header is None or header.type == _PAX:
                    raise ValueError("a pax header that belongs to no member")
        except ValueError as error:
            raise refused(f"has {error}") from None
        return None if header is None else (header, records)

    def _parsed_block(self) -> Header | None:
        """None at the archive's end."""
        block = self._blocks.take(BLOCK_BYTES)
        if block != END_OF_ARCHIVE[:BLOCK_BYTES]:
            return tar_parsing.parse_header(block)
        self._take_zeros(BLOCK_BYTES)
        return None

    def _take_zeros(self, count: int) -> None:
        if any(self._blocks.take(count)):
            raise refused("has data where nothing should be")

    def _member(self, header: Header, records: dict[bytes, bytes]) -> tuple[Member, int]:
        """The member, and how many bytes of content follow."""
        try:
            return self._checked_member(header, records)
        except ValueError as error:
            raise refused(f"has {error}") from None

    def _checked_member(self, header: Header, records: dict[bytes, bytes]) -> tuple[Member, int]:
        kind = _TYPES.get(header.type)
        if kind is None:
            raise ValueError(f"a member of the unknown type {header.type!r}")
        _refuse_unknown(records)
        size = header.size_bytes
        if b"size" in records:
            size = tar_parsing.parse_number(records[b"size"], "size", at_most=MAX_FILE_BYTES)
        is_content = header.type == tar_headers.REGULAR
        if size > (self._blocks.remaining_bytes if is_content else 0):
            raise ValueError(f"a member that claims {size} bytes, which it cannot have")
        path = records.get(b"GNU.sparse.name", records.get(b"path", header.name))
        parts = tar_parsing.split_path(path, is_directory=kind is EntryType.DIRECTORY)
        if header.mode > 0o7777:
            raise ValueError(f"the mode {header.mode:o}")
        segments, data_bytes = self._segments(records, size, is_content=is_content)
        link = records.get(b"linkpath", header.link)
        is_hard_link = header.type == tar_headers.HARD_LINK
        if kind is EntryType.SYMLINK and (not link or b"\0" in link):
            raise ValueError(f"the symbolic link {path[:300]!r} without a target")
        member = Member(
            parts=parts,
            type=kind,
            mode=header.mode,
            uid=_number(records, b"uid", header.uid),
            gid=_number(records, b"gid", header.gid),
            mtime_ns=tar_parsing.parse_seconds(records[b"mtime"])
            if b"mtime" in records
            else header.mtime_s * 1_000_000_000,
            segments=segments,
            link_target=link if kind is EntryType.SYMLINK else b"",
            hard_link_to=tar_parsing.split_path(link, is_directory=False) if is_hard_link else None,
            device=header.device,
            attributes=_attributes(records),
        )
        return member, data_bytes

    def _segments(
        self, records: dict[bytes, bytes], size: int, *, is_content: bool
    ) -> tuple[DataMap, int]:
        if not any(key.startswith(b"GNU.sparse.") for key in records):
            whole = DataMap(size)
            if size:
                whole.add(0, size)
            return whole, size
        version = records.get(b"GNU.sparse.major"), records.get(b"GNU.sparse.minor")
        real_size = tar_parsing.parse_number(
            records.get(b"GNU.sparse.realsize", b""), "sparse file's size", at_most=MAX_FILE_BYTES
        )
        if not is_content or version != (b"1", b"0") or b"GNU.sparse.name" not in records:
            raise ValueError("a sparse member of an unknown kind")
        begun = self._blocks.position
        numbers = tar_parsing.sparse_table_numbers(
            self._blocks.take(BLOCK_BYTES) for _ in range(size // BLOCK_BYTES)
        )
        data_bytes = size - (self._blocks.position - begun)
        return tar_parsing.sparse_segments(numbers, real_size, data_bytes), data_bytes


def _refuse_unknown(records: dict[bytes, bytes]) -> None:
    for key in records:
        if key not in _KNOWN_RECORDS and not key.startswith(_ATTRIBUTE):
            raise ValueError(f"the unknown pax record {key[:100]!r}")


def _number(records: dict[bytes, bytes], key: bytes, in_header: int) -> int:
    if key not in records:
        return in_header
    return tar_parsing.parse_number(records[key], key.decode(), at_most=_MAX_ID)


def _attributes(records: dict[bytes, bytes]) -> tuple[tuple[str, bytes], ...]:
    if not records:
        return ()
    plain = [
        (_attribute_name(key), value)
        for key, value in records.items()
        if key.startswith(_ATTRIBUTE)
    ]
    lists = [
        (name, acl_attribute(records[key].decode("ascii", "replace")))
        for key, name in _LISTS.items()
        if key in records
    ]
    return (*plain, *lists)


def _attribute_name(key: bytes) -> str:
    escaped = key.removeprefix(_ATTRIBUTE)
    name = escaped.replace(b"%3D", b"=").replace(b"%25", b"%")
    if not name or b"\0" in name or len(name) > 255:
        raise ValueError("an extended attribute without a possible name")
    return os.fsdecode(name)
