"""Headers of a pax (POSIX.1-2001) tar archive, both ways: raw bytes names and exact numbers.

Pure. Functions that decode raise ValueError, whose text completes "the archive has ...", for all
that those which encode would not have written.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

BLOCK_BYTES: Final = 512
END_OF_ARCHIVE: Final = bytes(2 * BLOCK_BYTES)
# The largest file that ext4 can hold.
MAX_FILE_BYTES: Final = 16 << 40

REGULAR: Final = b"0"
HARD_LINK: Final = b"1"
SYMLINK: Final = b"2"
CHARACTER_DEVICE: Final = b"3"
BLOCK_DEVICE: Final = b"4"
DIRECTORY: Final = b"5"
FIFO: Final = b"6"
EXTENDED: Final = b"x"

# name, mode, uid, gid, size, mtime, checksum, type, link, magic + version, (user and group name,
# which stay empty: owners are numbers here), device major, device minor, prefix
_LAYOUT: Final = struct.Struct("100s8s8s8s12s12s8s1s100s8s64x8s8s155s12x")
SIZE_FIELD: Final = slice(124, 136)
_CHECKSUM_FIELD: Final = slice(148, 156)
TYPE_FIELD: Final = slice(156, 157)
_NO_CHECKSUM: Final = b" " * 8
_MAGIC: Final = b"ustar\x0000"
# What seven and eleven octal digits can say, and the kernel's last owner that is somebody.
_MAX_FIELD_ID: Final = 0o7777777
_MAX_FIELD: Final = 0o77777777777
_MAX_ID: Final = 2**32 - 2

_OCTAL: Final = re.compile(rb" *([0-7]+)[ \0]*")
_DECIMAL: Final = re.compile(rb"0|[1-9][0-9]{0,18}")
_SECONDS: Final = re.compile(rb"(-?)([0-9]{1,18})(?:\.([0-9]{1,9}))?")


class EntryType(StrEnum):
    """What a path of a volume is, in an archive and in the facts."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    FIFO = "fifo"
    SOCKET = "socket"
    CHARACTER_DEVICE = "character_device"
    BLOCK_DEVICE = "block_device"
    UNKNOWN = "unknown"


# Those that an archive can have.
MEMBER_TYPES: Final = {
    EntryType.FILE: REGULAR,
    EntryType.SYMLINK: SYMLINK,
    EntryType.CHARACTER_DEVICE: CHARACTER_DEVICE,
    EntryType.BLOCK_DEVICE: BLOCK_DEVICE,
    EntryType.DIRECTORY: DIRECTORY,
    EntryType.FIFO: FIFO,
}


@dataclass(frozen=True, slots=True)
class Header:
    """One member's. `size_bytes` is what follows it in the archive, without padding.

    `path` and `link` are archive paths as raw bytes; `records` are the pax records that say
    something else than these fields.
    """

    path: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size_bytes: int = 0
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    records: Mapping[bytes, bytes] = field(default_factory=dict)


def encode_header(header: Header) -> bytes:
    """The ustar block, preceded by a pax block where ustar cannot say it all."""
    records: list[tuple[bytes, bytes]] = []
    name, prefix = _ustar_path(header.path)
    if not name:
        records.append((b"path", header.path))
        name = _last_bytes_of_name(header.path)
    if len(header.link) > 100:
        records.append((b"linkpath", header.link))
    seconds, fraction_ns = divmod(header.mtime_ns, 1_000_000_000)
    if fraction_ns or not 0 <= seconds <= _MAX_FIELD:
        records.append((b"mtime", decimal_seconds(header.mtime_ns)))
    for key, number, maximum in (
        (b"uid", header.uid, _MAX_FIELD_ID),
        (b"gid", header.gid, _MAX_FIELD_ID),
        (b"size", header.size_bytes, _MAX_FIELD),
    ):
        if number > maximum:
            records.append((key, b"%d" % number))
    # After `path`: a later record wins, and a sparse member's real name is among these.
    records.extend(header.records.items())
    block = _ustar_block(header, name, prefix, min(max(seconds, 0), _MAX_FIELD))
    return pax_block(records) + block if records else block


def decode_header(block: bytes, records: Mapping[bytes, bytes] | None = None) -> Header:
    """A ustar block of 512 bytes and the pax records that came before it."""
    fields = _LAYOUT.unpack(block)
    name, mode, uid, gid, size, mtime, checksum, kind, link, magic, major, minor, prefix = fields
    unsummed = sum(block) - sum(block[_CHECKSUM_FIELD]) + sum(_NO_CHECKSUM)
    if _from_octal(checksum, "checksum") != unsummed:
        raise ValueError("a header whose checksum is wrong")
    if magic != _MAGIC:
        raise ValueError("a header that is not of the ustar format")
    path, before = _text(name), _text(prefix)
    said = dict(records or {})
    return Header(
        path=said.pop(b"path", before + b"/" + path if before else path),
        type=kind,
        mode=_from_octal(mode, "mode"),
        uid=_number(said, b"uid", _from_octal(uid, "owner"), _MAX_ID),
        gid=_number(said, b"gid", _from_octal(gid, "group"), _MAX_ID),
        size_bytes=_number(said, b"size", _from_octal(size, "size"), MAX_FILE_BYTES),
        mtime_ns=parse_seconds(said.pop(b"mtime", b"%d" % _from_octal(mtime, "time"))),
        link=said.pop(b"linkpath", _text(link)),
        device=(_from_octal(major, "device"), _from_octal(minor, "device")),
        records=said,
    )


def pax_block(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """An extended header that applies to the member that follows."""
    body = b"".join(pax_record(key, value) for key, value in records)
    return _pax_carrier(len(body)) + body + bytes(padding(len(body)))


def pax_record(key: bytes, value: bytes) -> bytes:
    """`<length> <key>=<value>\\n`, where the length counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


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


def decimal_seconds(time_ns: int) -> bytes:
    """Nanoseconds since 1970 as pax writes times: `1700000000.000000001`, `-0.5`."""
    seconds, fraction_ns = divmod(abs(time_ns), 1_000_000_000)
    text = f"{'-' if time_ns < 0 else ''}{seconds}.{fraction_ns:09d}"
    return text.rstrip("0").rstrip(".").encode()


def parse_seconds(text: bytes) -> int:
    """Nanoseconds since 1970 from pax's seconds."""
    match = _SECONDS.fullmatch(text)
    if match is None:
        raise ValueError("a time that is no number of seconds")
    sign, whole, fraction = match[1], int(match[2]), match[3] or b""
    time_ns = whole * 1_000_000_000 + int(fraction.ljust(9, b"0"))
    return -time_ns if sign else time_ns


def parse_number(text: bytes, what: str, *, at_most: int) -> int:
    """Decimal, as pax writes sizes and owners."""
    if not _DECIMAL.fullmatch(text) or int(text) > at_most:
        raise ValueError(f"a {what} that is no number up to {at_most}")
    return int(text)


def padding(size_bytes: int) -> int:
    """Zero bytes that fill the last block."""
    return -size_bytes % BLOCK_BYTES


# Nearly all of them have one of a few lengths, and this halves the cost of a header.
@lru_cache(maxsize=64)
def _pax_carrier(size_bytes: int) -> bytes:
    carrier = Header(b"././@PaxHeader", EXTENDED, 0o644, 0, 0, 0, size_bytes=size_bytes)
    return _ustar_block(carrier, carrier.path, b"", 0)


def _ustar_path(path: bytes) -> tuple[bytes, bytes]:
    """Name and prefix, or two empty strings if the path does not fit into ustar's fields."""
    if len(path) <= 100:
        return path, b""
    slash = path.find(b"/", len(path) - 101, -1)
    if slash < 1 or slash > 155:
        return b"", b""
    return path[slash + 1 :], path[:slash]


def _last_bytes_of_name(path: bytes) -> bytes:
    """What a reader without pax would see; any name that fits will do."""
    return path.rstrip(b"/").rpartition(b"/")[2][-100:]


def _ustar_block(header: Header, name: bytes, prefix: bytes, seconds: int) -> bytes:
    major, minor = header.device
    block = bytearray(
        _LAYOUT.pack(
            name,
            b"%07o\0" % header.mode,
            _octal(header.uid, 7, _MAX_FIELD_ID),
            _octal(header.gid, 7, _MAX_FIELD_ID),
            _octal(header.size_bytes, 11, _MAX_FIELD),
            b"%011o\0" % seconds,
            _NO_CHECKSUM,
            header.type,
            header.link[:100],
            _MAGIC,
            b"%07o\0" % major,
            b"%07o\0" % minor,
            prefix,
        )
    )
    block[_CHECKSUM_FIELD] = b"%06o\0 " % sum(block)
    return bytes(block)


def _octal(number: int, digits: int, maximum: int) -> bytes:
    return b"%0*o\0" % (digits, number if number <= maximum else 0)


def _from_octal(field: bytes, what: str) -> int:
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise ValueError(f"a header whose {what} is no octal number")
    return int(match[1], 8)


def _number(records: dict[bytes, bytes], key: bytes, in_field: int, at_most: int) -> int:
    said = records.pop(key, None)
    return in_field if said is None else parse_number(said, key.decode(), at_most=at_most)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
