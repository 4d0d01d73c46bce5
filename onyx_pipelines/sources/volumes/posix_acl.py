"""POSIX access control lists, from Linux's extended attribute to the text that tar archives carry.

Layout: linux/posix_acl_xattr.h. Text form: acl(5), with numbers for users and groups.
"""

from __future__ import annotations

import struct
from typing import Final

ACCESS_ATTRIBUTE: Final = "system.posix_acl_access"
DEFAULT_ATTRIBUTE: Final = "system.posix_acl_default"

_VERSION: Final = 2
_HEADER: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<HHI")
_TAGS: Final = {
    0x01: ("user", False),
    0x02: ("user", True),
    0x04: ("group", False),
    0x08: ("group", True),
    0x10: ("mask", False),
    0x20: ("other", False),
}


def acl_text(attribute: bytes) -> str:
    """`user::rw-,user:1000:r--,group::r--,mask::r--,other::---`.

    Raises:
        ValueError: not an access control list of the known version.
    """
    if len(attribute) < _HEADER.size or (len(attribute) - _HEADER.size) % _ENTRY.size:
        raise ValueError("an access control list of an odd length")
    (version,) = _HEADER.unpack_from(attribute)
    if version != _VERSION:
        raise ValueError(f"an access control list of version {version}")
    return ",".join(
        _entry_text(tag, permissions, qualifier)
        for tag, permissions, qualifier in _ENTRY.iter_unpack(attribute[_HEADER.size :])
    )


def _entry_text(tag: int, permissions: int, qualifier: int) -> str:
    if tag not in _TAGS or permissions > 0o7:
        raise ValueError(f"an access control list with the unknown entry {tag:#x}")
    word, qualified = _TAGS[tag]
    letters = "".join(
        letter if permissions & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1))
    )
    return f"{word}:{qualifier if qualified else ''}:{letters}"
