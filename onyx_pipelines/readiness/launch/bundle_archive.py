"""The bundle as one tar: the same files give the same bytes, and no others give these files."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import Final

from onyx_pipelines.archive.headers import (
    DIRECTORY,
    END_OF_ARCHIVE,
    REGULAR,
    EntryType,
    Header,
    encode_header,
    padding,
)
from onyx_pipelines.archive.reading import Archive, ArchiveBlocks
from onyx_pipelines.core.errors import IntegrityError, OnyxError
from onyx_pipelines.core.text import printable, shortened, size_text

LARGEST_BYTES: Final = 32 * 10**6
_MOST_FILES: Final = 500
_NAME: Final = re.compile(r"[a-z][a-z0-9-]*(\.json)?")


class LaunchBundleError(OnyxError):
    """A file is no evidence bundle of this program, or one cannot be made.

    Cause: a file that was cut or changed on its way, one of another program or made to do harm;
        evidence that changed since it was reviewed, or is too large.
    Remedy: make the bundle anew where the checklist was reviewed, and compare its SHA-256 after it
        was copied.
    """

    exit_code = 1
    code = "launch-bundle"


def refused(how: str) -> LaunchBundleError:
    """Nothing more of it is read."""
    return LaunchBundleError(
        f"This is no evidence bundle: it {how}.",
        remedy="Make it anew with `onyx launch bundle`, and compare its SHA-256 after copying it.",
    )


def pack(files: Mapping[str, bytes]) -> bytes:
    """The bundle with these files.

    Raises:
        LaunchBundleError: it would be larger than a reader takes.
    """
    parts = [encode_header(Header(b"./", DIRECTORY, 0o755, 0, 0, 0))]
    for name, content in sorted(files.items()):
        path, size = f"./{name}".encode(), len(content)
        parts.append(encode_header(Header(path, REGULAR, 0o644, 0, 0, 0, size_bytes=size)))
        parts += (content, bytes(padding(size)))
    data = b"".join((*parts, END_OF_ARCHIVE))
    if len(data) > LARGEST_BYTES:
        raise LaunchBundleError(
            f"The bundle would have {size_text(len(data))}, of at most {size_text(LARGEST_BYTES)}.",
            remedy="Show smaller files as evidence: a report instead of its raw data.",
        )
    return data


def unpack(data: bytes) -> dict[str, bytes]:
    """Its files by name.

    Raises:
        LaunchBundleError: it is not, byte by byte, what `pack` makes.
    """
    if len(data) > LARGEST_BYTES:
        raise refused(f"has more than {size_text(LARGEST_BYTES)}")
    try:
        files = dict(_members(data))
    except IntegrityError as error:
        raise refused(error.what.removeprefix("The archive ").rstrip(".")) from None
    if pack(files) != data:
        raise refused("says more than its files do")
    return files


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    archive = Archive(ArchiveBlocks(io.BytesIO(data), len(data), lambda _: None))
    for number, member in enumerate(archive.members()):
        if not member.parts:
            continue
        name = "/".join(part.decode(errors="replace") for part in member.parts)
        shown = shortened(printable(name), 80)
        is_plain = member.type is EntryType.FILE and member.hard_link_to is None
        if not is_plain or not _NAME.fullmatch(name):
            raise refused(f"has {shown}, which no bundle has")
        if number > _MOST_FILES:
            raise refused(f"has more than {_MOST_FILES} files")
        yield name, b"".join(bytes(piece) for _, piece in archive.content(member))
