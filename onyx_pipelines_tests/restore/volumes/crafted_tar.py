"""Archives by hand: members that the archiver would never write, and how they are extracted."""

from __future__ import annotations

import io
import os
from pathlib import Path

from onyx_pipelines.archive import headers
from onyx_pipelines.archive.headers import END_OF_ARCHIVE, EntryType, Header, encode_header, padding
from onyx_pipelines.archive.reading import Archive, ArchiveBlocks
from onyx_pipelines.restore.volumes.extraction import Extractor
from onyx_pipelines.restore.volumes.metadata import Limit
from onyx_pipelines.restore.volumes.selection import WHOLE, Selection
from onyx_pipelines.sources.volumes.facts import (
    Counts,
    Entry,
    FactsHeader,
    end_line,
    entry_line,
    header_line,
)


def member(
    path: bytes,
    kind: bytes = headers.REGULAR,
    content: bytes = b"",
    *,
    link: bytes = b"",
    mode: int = 0o644,
    size_bytes: int | None = None,
    device: tuple[int, int] = (0, 0),
    records: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """One member with its content; `size_bytes` is what the header claims, if not the truth."""
    header = encode_header(
        Header(
            path=path,
            type=kind,
            mode=mode,
            uid=os.geteuid(),
            gid=os.getegid(),
            mtime_ns=1_700_000_000_000_000_000,
            size_bytes=len(content) if size_bytes is None else size_bytes,
            link=link,
            device=device,
            records=dict(records),
        )
    )
    return header + content + bytes(padding(len(content)))


def folder(path: bytes) -> bytes:
    return member(path, headers.DIRECTORY, mode=0o755)


def tar_of(*members: bytes) -> bytes:
    """Members after the root, and the archive's end."""
    return folder(b"./") + b"".join(members) + END_OF_ARCHIVE


def archive_of(tar: bytes, *, total_bytes: int | None = None) -> Archive:
    return Archive(
        ArchiveBlocks(
            io.BytesIO(tar), len(tar) if total_bytes is None else total_bytes, lambda _: None
        )
    )


def extract(
    tar: bytes,
    into: Path,
    *,
    make_devices: bool = False,
    selection: Selection = WHOLE,
    link_sources: Path | None = None,
) -> set[Limit]:
    into.mkdir(exist_ok=True)
    root_fd = os.open(into, os.O_RDONLY)
    link_sources_fd = None if link_sources is None else os.open(link_sources, os.O_RDONLY)
    try:
        extractor = Extractor(
            root_fd, make_devices=make_devices, selection=selection, link_sources_fd=link_sources_fd
        )
        extractor.extract(archive_of(tar))
        return extractor.limits
    finally:
        os.close(root_fd)
        if link_sources_fd is not None:
            os.close(link_sources_fd)


def facts_of(*entries: Entry) -> bytes:
    """Facts of an archive of `tar_of`, of the volume `v`: its root, then these."""
    root = Entry(
        b".",
        EntryType.DIRECTORY,
        mode=0o755,
        uid=os.geteuid(),
        gid=os.getegid(),
        mtime_ns=1_700_000_000_000_000_000,
    )
    lines = [entry_line(entry) for entry in (root, *entries)]
    return b"".join(
        [
            header_line(FactsHeader("v", "volumes/v.tar", ())),
            *lines,
            end_line(Counts(entries=len(lines))),
        ]
    )
