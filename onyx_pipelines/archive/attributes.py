"""Extended attributes and access control lists of one file, and their pax records, both ways.

Keys are those that GNU tar and bsdtar read: SCHILY.xattr.<name>, SCHILY.acl.access and .default.
Lists: linux/posix_acl_xattr.h; as text acl(5), with numbers for users and groups.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ACCESS_LIST: Final = "system.posix_acl_access"
DEFAULT_LIST: Final = "system.posix_acl_default"

# The file system has none, or the attribute went away since it was listed.
_ABSENT: Final = frozenset({errno.ENOTSUP, errno.ENODATA, errno.ENOSYS})
_ATTRIBUTE_KEY: Final = b"SCHILY.xattr."
_LIST_KEYS: Final = {b"SCHILY.acl.access": ACCESS_LIST, b"SCHILY.acl.default": DEFAULT_LIST}

# As XFS shows root what it has of the lists: they are in the archive already.
LIST_COPIES: Final = ("trusted.SGI_ACL_FILE", "trusted.SGI_ACL_DEFAULT")

_VERSION: Final = struct.pack("<I", 2)
_ENTRY: Final = struct.Struct("<HHI")
_NOBODY: Final = 0xFFFFFFFF
# By word and whether somebody is named.
_TAGS: Final = {
    ("user", False): 0x01,
    ("user", True): 0x02,
    ("group", False): 0x04,
    ("group", True): 0x08,
    ("mask", False): 0x10,
    ("other", False): 0x20,
}
_WORDS: Final = {tag: word for word, tag in _TAGS.items()}


@dataclass(frozen=True)
class Attributes:
    """Values by name, sorted; the lists as text. Names are as `os.listxattr` gives them."""

    values: Mapping[str, bytes] = field(default_factory=dict)
    acl_access: str | None = None
    acl_default: str | None = None

    def records(self) -> dict[bytes, bytes]:
        if self is NO_ATTRIBUTES:
            return {}
        lists = zip(_LIST_KEYS, (self.acl_access, self.acl_default), strict=True)
        return {
            **{key: text.encode() for key, text in lists if text is not None},
            **{_ATTRIBUTE_KEY + _escaped(name): value for name, value in self.values.items()},
        }

    def digests(self) -> dict[str, str]:
        """SHA-256 of each value, by name."""
        return {
            name: hashlib.sha256(value).hexdigest() for name, value in sorted(self.values.items())
        }


NO_ATTRIBUTES: Final = Attributes()


def read_attributes(file: int | bytes) -> Attributes:
    """All that we may see of an open file, or of the path of one that is not opened (not followed).

    Raises:
        OSError: they are there and could not be read.
    """
    follow = isinstance(file, int)
    try:
        names = os.listxattr(file, follow_symlinks=follow)
    except OSError as error:
        if error.errno in _ABSENT:
            return NO_ATTRIBUTES
        raise
    if not names:
        return NO_ATTRIBUTES
    values: dict[str, bytes] = {}
    for name in sorted({*names} - {*LIST_COPIES}):
        try:
            values[name] = os.getxattr(file, name, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
    return Attributes(
        acl_access=_take_list(values, ACCESS_LIST),
        acl_default=_take_list(values, DEFAULT_LIST),
        values=values,
    )


def is_attribute(record: bytes) -> bool:
    """Whether a pax record of this key is one of ours."""
    return record in _LIST_KEYS or record.startswith(_ATTRIBUTE_KEY)


def attributes_to_set(records: Mapping[bytes, bytes]) -> tuple[tuple[str, bytes], ...]:
    """Name and value of each, in the order in which they are to be set: lists last.

    Raises:
        ValueError: one that no file can have.
    """
    plain = [(_name(key), value) for key, value in records.items() if key not in _LIST_KEYS]
    lists = [
        (name, acl_attribute(records[key].decode("ascii", "replace")))
        for key, name in _LIST_KEYS.items()
        if key in records
    ]
    return (*plain, *lists)


def acl_text(attribute: bytes) -> str:
    """`user::rw-,user:1000:r--,group::r--,mask::r--,other::---`.

    Raises:
        ValueError: not an access control list of the known version.
    """
    version, entries = attribute[: len(_VERSION)], attribute[len(_VERSION) :]
    if version != _VERSION or len(entries) % _ENTRY.size:
        raise ValueError("an access control list of an unknown version or an odd length")
    return ",".join(_entry_text(*entry) for entry in _ENTRY.iter_unpack(entries))


def acl_attribute(text: str) -> bytes:
    """The value of the attribute from such a text. Raises ValueError where it is none."""
    return _VERSION + b"".join(map(_entry, text.split(",")))


def _take_list(values: dict[str, bytes], name: str) -> str | None:
    """The list as text; one of a kind that we do not know stays among the plain values."""
    if name not in values:
        return None
    try:
        text = acl_text(values[name])
    except ValueError:
        return None
    del values[name]
    return text


def _entry_text(tag: int, permissions: int, somebody: int) -> str:
    if tag not in _WORDS or permissions > 0o7:
        raise ValueError(f"an access control list with the unknown entry {tag:#x}")
    word, is_named = _WORDS[tag]
    return f"{word}:{somebody if is_named else ''}:{_letters(permissions)}"


def _entry(text: str) -> bytes:
    word, _, rest = text.partition(":")
    somebody, _, letters = rest.partition(":")
    tag = _TAGS.get((word, bool(somebody)))
    permissions = sum(1 << "xwr".index(letter) for letter in set(letters) & set("rwx"))
    is_decimal = not somebody or (somebody.isascii() and somebody.isdigit())
    if tag is None or not is_decimal or _letters(permissions) != letters:
        raise ValueError("an access control list that cannot be read")
    number = int(somebody) if somebody else _NOBODY
    if number > _NOBODY:
        raise ValueError("an access control list with an impossible owner")
    return _ENTRY.pack(tag, permissions, number)


def _letters(permissions: int) -> str:
    return "".join(
        letter if permissions & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1))
    )


def _escaped(name: str) -> bytes:
    # GNU tar's own escape, because `=` ends a pax key.
    return os.fsencode(name).replace(b"%", b"%25").replace(b"=", b"%3D")


def _name(key: bytes) -> str:
    escaped = key.removeprefix(_ATTRIBUTE_KEY)
    name = escaped.replace(b"%3D", b"=").replace(b"%25", b"%")
    if not name or b"\0" in name or len(name) > 255:
        raise ValueError("an extended attribute without a possible name")
    return os.fsdecode(name)
