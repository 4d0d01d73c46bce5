"""Headers of a pax (POSIX.1-2001) tar archive, from raw bytes names and exact numbers.

Pure. Written here because `tarfile` can neither write sparse members nor take bytes names.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

BLOCK_BYTES: Final = 512
END_OF_ARCHIVE: Final = bytes(2 * BLOCK_BYTES)

REGULAR: Final = b"0"
HARD_LINK: Final = b"1"
SYMLINK: Final = b"2"
CHARACTER_DEVICE: Final = b"3"
BLOCK_DEVICE: Final = b"4"
DIRECTORY: Final = b"5"
FIFO: Final = b"6"
_EXTENDED: Final = b"x"

# name, mode, uid, gid, size, mtime, checksum, type, link, magic + version, user name, group name,
# device major, device minor, prefix. User and group names stay empty: owners are numbers here.
_LAYOUT: Final = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_CHECKSUM_AT: Final = 148
_NO_CHECKSUM: Final = b" " * 8
_MAX_ID: Final = 0o7777777
_MAX_NUMBER: Final = 0o77777777777

PaxRecord = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Member:
    """One member. `size_bytes` is what follows its header in the archive, without padding.

    `path` and `link` are archive paths as raw bytes; `records` are further pax records.
    """

    path: bytes
    type: bytes
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size_bytes: int = 0
    link: bytes = b""
    device: tuple[int, int] | None = None
    records: tuple[PaxRecord, ...] = ()


def member_header(member: Member) -> bytes:
    """The ustar block, preceded by a pax block where ustar cannot say it all."""
    records: list[PaxRecord] = []
    name, prefix = _ustar_path(member.path)
    if not name:
        records.append((b"path", member.path))
        name = _last_bytes_of_name(member.path)
    if len(member.link) > 100:
        records.append((b"linkpath", member.link))
    seconds, fraction_ns = divmod(member.mtime_ns, 1_000_000_000)
    if fraction_ns or not 0 <= seconds <= _MAX_NUMBER:
        records.append((b"mtime", decimal_seconds(member.mtime_ns)))
    for key, number, maximum in (
        (b"uid", member.uid, _MAX_ID),
        (b"gid", member.gid, _MAX_ID),
        (b"size", member.size_bytes, _MAX_NUMBER),
    ):
        if number > maximum:
            records.append((key, b"%d" % number))
    # After `path`: a later record wins, and a sparse member's real name is among these.
    records.extend(member.records)
    block = _ustar_block(member, name, prefix, min(max(seconds, 0), _MAX_NUMBER))
    return pax_block(records) + block if records else block


def pax_block(records: list[PaxRecord]) -> bytes:
    """An extended header that applies to the member that follows."""
    body = b"".join(pax_record(key, value) for key, value in records)
    return _pax_carrier(len(body)) + body + bytes(padding(len(body)))


# Nearly all of them have one of a few lengths, and this halves the cost of a header.
@lru_cache(maxsize=64)
def _pax_carrier(size_bytes: int) -> bytes:
    carrier = Member(
        path=b"././@PaxHeader",
        type=_EXTENDED,
        mode=0o644,
        uid=0,
        gid=0,
        mtime_ns=0,
        size_bytes=size_bytes,
    )
    return _ustar_block(carrier, carrier.path, b"", 0)


def pax_record(key: bytes, value: bytes) -> bytes:
    """`<length> <key>=<value>\\n`, where the length counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def decimal_seconds(time_ns: int) -> bytes:
    """Nanoseconds since 1970 as pax writes times: `1700000000.000000001`, `-0.5`."""
    seconds, fraction_ns = divmod(abs(time_ns), 1_000_000_000)
    text = f"{'-' if time_ns < 0 else ''}{seconds}.{fraction_ns:09d}"
    return text.rstrip("0").rstrip(".").encode()


def padding(size_bytes: int) -> int:
    """Zero bytes that fill the last block."""
    return -size_bytes % BLOCK_BYTES


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


def _octal(number: int, digits: int, maximum: int) -> bytes:
    return b"%0*o\0" % (digits, number if number <= maximum else 0)


def _ustar_block(member: Member, name: bytes, prefix: bytes, seconds: int) -> bytes:
    major, minor = member.device or (0, 0)
    block = bytearray(
        _LAYOUT.pack(
            name,
            b"%07o\0" % member.mode,
            _octal(member.uid, 7, _MAX_ID),
            _octal(member.gid, 7, _MAX_ID),
            _octal(member.size_bytes, 11, _MAX_NUMBER),
            b"%011o\0" % seconds,
            _NO_CHECKSUM,
            member.type,
            member.link[:100],
            b"ustar\x0000",
            b"",
            b"",
            b"%07o\0" % major,
            b"%07o\0" % minor,
            prefix,
        )
    )
    block[_CHECKSUM_AT : _CHECKSUM_AT + 8] = b"%06o\0 " % sum(block)
    return bytes(block)
