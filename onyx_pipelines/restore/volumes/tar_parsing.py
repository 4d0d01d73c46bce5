"""Exact pieces of an archive's plain bytes, and what its tar headers say: the strict subset of pax
that the archiver writes.

Nothing is read past what the set's record says that the archive has; memory: one block. Functions
that parse raise ValueError, whose text completes "the archive has ...", for anything else.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.core.errors import IntegrityError
from onyx_pipelines.sources.volumes.data_map import MAX_SEGMENTS, DataMap
from onyx_pipelines.sources.volumes.tar_headers import BLOCK_BYTES
from onyx_pipelines.vault.stores.store import ObjectReader

_BLOCK_BYTES: Final = 1 << 20
_REMEDY: Final = "Verify the backup set, and use its other copy or another set."


def refused(how: str) -> IntegrityError:
    """The archive is damaged, or made to do harm: nothing more of it is extracted."""
    return IntegrityError(f"The archive {how}.", remedy=_REMEDY)


class ArchiveBlocks:
    """`total_bytes` is the archive's whole length; `count_bytes` hears of all that was read."""

    def __init__(
        self, reader: ObjectReader, total_bytes: int, count_bytes: Callable[[int], None]
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
            self._block = memoryview(self._reader.read(_BLOCK_BYTES))
            if not self._block:
                raise refused(f"ends after {self.position} bytes")
            self._count_bytes(len(self._block))
        piece, self._block = self._block[:count], self._block[count:]
        self.position += len(piece)
        return piece


# name, mode, uid, gid, size, mtime, checksum, type, link, magic + version, user and group name,
# device major, device minor, prefix
_LAYOUT: Final = struct.Struct("100s8s8s8s12s12s8s1s100s8s64x8s8s155s12x")
_CHECKSUM: Final = slice(148, 156)
_OCTAL: Final = re.compile(rb" *([0-7]+)[ \0]*")
_SECONDS: Final = re.compile(rb"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?")
_DECIMAL: Final = re.compile(rb"0|[1-9][0-9]{0,18}")
# Two numbers for each segment, one more for the hole at the end, and their count.
_MAX_TABLE_NUMBERS: Final = 2 * (MAX_SEGMENTS + 2) + 1


@dataclass(frozen=True, slots=True)
class Header:
    """One ustar block. `name` includes the prefix; `device` is (major, minor)."""

    name: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    size_bytes: int
    mtime_s: int
    link: bytes
    device: tuple[int, int]


def parse_header(block: bytes) -> Header:
    """A block of 512 bytes."""
    fields = _LAYOUT.unpack(block)
    name, mode, uid, gid, size, mtime, checksum, kind, link, magic, major, minor, prefix = fields
    unsummed = sum(block) - sum(block[_CHECKSUM]) + 8 * 0x20
    if _octal(checksum, "checksum") != unsummed:
        raise ValueError("a header whose checksum is wrong")
    if magic != b"ustar\x0000":
        raise ValueError("a header that is not of the ustar format")
    path, before = _text(name), _text(prefix)
    return Header(
        name=before + b"/" + path if before else path,
        type=kind,
        mode=_octal(mode, "mode"),
        uid=_octal(uid, "owner"),
        gid=_octal(gid, "group"),
        size_bytes=_octal(size, "size"),
        mtime_s=_octal(mtime, "time"),
        link=_text(link),
        device=(_octal(major, "device"), _octal(minor, "device")),
    )


def parse_pax(data: bytes) -> dict[bytes, bytes]:
    """`<length> <key>=<value>\\n`, one after the other; no key twice."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        digits = data[position : max(space, position)]
        if not _DECIMAL.fullmatch(digits):
            raise ValueError("a pax record without a length")
        end = position + int(digits)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end > len(data) or end <= space + 1 or data[end - 1 : end] != b"\n" or not equals:
            raise ValueError("a pax record of a wrong length")
        if key in records:
            raise ValueError(f"the pax record {key!r} twice")
        records[key] = value
        position = end
    return records


def parse_number(text: bytes, what: str, *, at_most: int) -> int:
    """Decimal, as pax writes sizes and owners."""
    if not _DECIMAL.fullmatch(text) or int(text) > at_most:
        raise ValueError(f"a {what} that is no number up to {at_most}")
    return int(text)


def parse_seconds(text: bytes) -> int:
    """Nanoseconds since 1970 from pax's seconds: `1700000000.000000001`, `-0.5`."""
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise ValueError("a time that is no number of seconds")
    sign, whole, fraction = match[1], int(match[2]), match[3] or b""
    time_ns = whole * 1_000_000_000 + int(fraction.ljust(9, b"0"))
    return -time_ns if sign else time_ns


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
        if part in (b"", b".", b"..") or b"\0" in part or len(part) > 255:
            raise ValueError(f"the path {path[:300]!r}, which no file of a volume can have")
    return parts


def sparse_segments(numbers: Iterable[int], real_size: int, data_bytes: int) -> DataMap:
    """GNU's table after its count: offset and length in turn; `data_bytes` follow it in all."""
    found = DataMap(real_size)
    end = 0
    pairs = iter(numbers)
    for offset, length in zip(pairs, pairs, strict=True):
        if offset < end or offset + length > real_size:
            raise ValueError("a sparse file whose segments overlap or leave it")
        end = offset + length
        if length:
            found.add(offset, length)
    if found.data_bytes != data_bytes:
        raise ValueError("a sparse file of another length than its segments")
    return found


def sparse_table_numbers(blocks: Iterable[bytes]) -> list[int]:
    """The decimal lines of GNU's table without its first, the count of pairs.

    Takes blocks until the table is complete; the rest of its last block is padding.
    """
    numbers: list[int] = []
    expected = 1
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            if len(numbers) == expected:
                break
            numbers.append(parse_number(line, "number of a sparse file", at_most=2**63 - 1))
            if len(numbers) == 1:
                expected = 1 + 2 * numbers[0]
        if expected > _MAX_TABLE_NUMBERS or len(rest) > BLOCK_BYTES:
            raise ValueError("a sparse file with too many segments")
        if len(numbers) == expected:
            return numbers[1:]
    raise ValueError("a sparse file whose table is cut")


def _octal(field: bytes, what: str) -> int:
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise ValueError(f"a header whose {what} is no octal number")
    return int(match[1], 8)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


_VERSION: Final = 2
_NOBODY: Final = 0xFFFFFFFF
_ENTRY: Final = struct.Struct("<HHI")
_TAGS: Final = {
    ("user", False): 0x01,
    ("user", True): 0x02,
    ("group", False): 0x04,
    ("group", True): 0x08,
    ("mask", False): 0x10,
    ("other", False): 0x20,
}


def acl_attribute(text: str) -> bytes:
    """`user::rw-,user:1000:r--,...` as the value of `system.posix_acl_access` or `_default`.

    Raises:
        ValueError: not such a text.
    """
    return struct.pack("<I", _VERSION) + b"".join(map(_entry, text.split(",")))


def _entry(text: str) -> bytes:
    word, _, rest = text.partition(":")
    qualifier, _, letters = rest.partition(":")
    tag = _TAGS.get((word, bool(qualifier)))
    permissions = sum(
        bit
        for letter, bit, given in zip("rwx", (4, 2, 1), letters, strict=False)
        if given == letter
    )
    is_decimal = not qualifier or (qualifier.isascii() and qualifier.isdigit())
    if tag is None or not is_decimal or _letters(permissions) != letters:
        raise ValueError("an access control list that cannot be read")
    number = int(qualifier) if qualifier else _NOBODY
    if number > _NOBODY:
        raise ValueError("an access control list with an impossible owner")
    return _ENTRY.pack(tag, permissions, number)


def _letters(permissions: int) -> str:
    return "".join(
        letter if permissions & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1))
    )
