"""What the bytes of a tar header say: the strict subset of pax that the archiver writes. Pure.

Every function raises ValueError, whose text completes "the archive has ...", for anything else.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.sources.volumes.data_map import MAX_SEGMENTS, DataMap
from onyx_pipelines.sources.volumes.tar_headers import BLOCK_BYTES

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
