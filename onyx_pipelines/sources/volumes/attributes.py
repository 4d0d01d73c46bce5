"""Extended attributes and access control lists of one file, and their pax records.

Keys are those that GNU tar and bsdtar read: SCHILY.xattr.<name>, SCHILY.acl.access and .default.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from onyx_pipelines.sources.volumes.posix_acl import (
    ACCESS_ATTRIBUTE,
    DEFAULT_ATTRIBUTE,
    acl_text,
)
from onyx_pipelines.sources.volumes.tar_headers import PaxRecord

# The file system has none, or the attribute went away since it was listed.
_ABSENT: Final = frozenset({errno.ENOTSUP, errno.ENODATA, errno.ENOSYS})


@dataclass(frozen=True)
class Attributes:
    """Values by name, sorted; the lists as text. Names are as `os.listxattr` gives them."""

    values: Mapping[str, bytes] = field(default_factory=dict)
    acl_access: str | None = None
    acl_default: str | None = None

    def records(self) -> tuple[PaxRecord, ...]:
        if self is NO_ATTRIBUTES:
            return ()
        lists = (
            (b"SCHILY.acl.access", self.acl_access),
            (b"SCHILY.acl.default", self.acl_default),
        )
        return (
            *((key, text.encode()) for key, text in lists if text is not None),
            *((b"SCHILY.xattr." + _key(name), value) for name, value in self.values.items()),
        )

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
    for name in sorted(names):
        try:
            values[name] = os.getxattr(file, name, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
    return Attributes(
        acl_access=_take_acl(values, ACCESS_ATTRIBUTE),
        acl_default=_take_acl(values, DEFAULT_ATTRIBUTE),
        values=values,
    )


def _take_acl(values: dict[str, bytes], name: str) -> str | None:
    """The list as text; one of a kind that we do not know stays among the plain values."""
    if name not in values:
        return None
    try:
        text = acl_text(values[name])
    except ValueError:
        return None
    del values[name]
    return text


def _key(name: str) -> bytes:
    # GNU tar's own escape, because `=` ends a pax key.
    return os.fsencode(name).replace(b"%", b"%25").replace(b"=", b"%3D")
