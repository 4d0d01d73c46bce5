"""A snapshot's bytes from the server into a sink: resumed where they break off, and checked."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import httpx

from onyx_pipelines.archive.stream_end import ArchiveEnd
from onyx_pipelines.core.progress import Meter
from onyx_pipelines.core.threads import ahead
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.snapshot_api import ServerSnapshot, SnapshotApi
from onyx_pipelines.sources.source import ByteSink

_PROGRESS_BYTES = 1024 * 1024
_GATHERED_BYTES = 512 * 1024
_PIECES_AHEAD = 3
_MAX_RESUMES = 5
_RESUME_PAUSE_S = 0.1


@dataclass(frozen=True)
class Streamed:
    """What went through; `has_server_checksum` is False where only the length could be checked."""

    size_bytes: int
    sha256: str
    has_server_checksum: bool


def stream_snapshot(
    api: SnapshotApi,
    errors: QdrantErrors,
    snapshot: ServerSnapshot,
    sink: ByteSink,
    meter: Meter,
) -> Streamed:
    """Copy it and check length, checksum and the archive's end. A thread receives it.

    Raises:
        SourceError: the sink must not keep what it got.
    """
    doing = f"streaming {snapshot.name}"
    end = ArchiveEnd()
    size_bytes = 0
    received = _gathered(_resumed(api, errors, snapshot))
    with closing(ahead(received, _PIECES_AHEAD, "received")) as pieces:
        for data in pieces:
            sink.write(data)
            meter.add(len(data))
            size_bytes += len(data)
            end.feed(data)
    if size_bytes != snapshot.size_bytes:
        raise errors.failed(
            doing,
            f"{size_bytes} bytes came, {snapshot.size_bytes} were announced",
            remedy="Run it again.",
            transient=True,
        )
    sha256 = sink.sha256()
    if snapshot.checksum and sha256 != snapshot.checksum.lower():
        raise errors.failed(
            doing,
            "the bytes do not have the server's checksum",
            remedy="Run it again; if it stays so, check the server's disk and memory.",
            transient=True,
        )
    if not end.is_whole:
        raise errors.failed(
            doing,
            "the archive has no end marker",
            remedy="The server did not finish it: see its log and its free disk.",
        )
    return Streamed(size_bytes, sha256, snapshot.checksum is not None)


def _gathered(pieces: Iterator[bytes]) -> Generator[bytearray, None, None]:
    """Fewer and larger ones, since each goes from one thread to the other."""
    whole = bytearray()
    for each in pieces:
        whole += each
        if len(whole) >= _GATHERED_BYTES:
            yield whole
            whole = bytearray()
    if whole:
        yield whole


def _resumed(api: SnapshotApi, errors: QdrantErrors, snapshot: ServerSnapshot) -> Iterator[bytes]:
    """A lost connection costs what was under way, not the whole; silence is never waited out."""
    position, etag, resumes = 0, "", 0
    while position < snapshot.size_bytes:
        begun_at = position
        try:
            with api.download(snapshot, start=position, etag=etag) as response:
                etag = response.headers.get("etag", "")
                # In the sizes that come: gathering larger ones would lose them at a cut.
                for data in response.iter_raw():
                    position += len(data)
                    yield data
            if position < snapshot.size_bytes:
                raise httpx.RemoteProtocolError("the body ended early")
        except httpx.TransportError as error:
            # Progress earns new attempts: a large snapshot may be cut many times.
            resumes = 1 if position > begun_at + _PROGRESS_BYTES else resumes + 1
            silent = isinstance(error, httpx.TimeoutException)
            if silent or not etag or resumes > _MAX_RESUMES:
                raise errors.failed(
                    f"streaming {snapshot.name}",
                    f"{'no byte came for too long' if silent else 'the connection was lost'} after"
                    f" {position} of {snapshot.size_bytes} bytes ({type(error).__name__})",
                    remedy="See whether the server and the network are well.",
                    transient=True,
                ) from None
            time.sleep(_RESUME_PAUSE_S * 2**resumes)
