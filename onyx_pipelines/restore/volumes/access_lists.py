"""POSIX access control lists: from the text that archives carry to Linux's extended attribute.

The inverse of `sources.volumes.posix_acl.acl_text`. Pure.
"""

from __future__ import annotations

import struct
from typing import Final

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
