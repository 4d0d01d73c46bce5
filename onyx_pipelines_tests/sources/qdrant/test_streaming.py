"""A snapshot arrives whole and checked, or not at all. The server is scripted, byte by byte."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from typing import Final

import httpx
import pytest
from pydantic import SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import Meter, silent
from onyx_pipelines.sources.qdrant import streaming
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.patience import Patience
from onyx_pipelines.sources.qdrant.snapshot_api import ServerSnapshot, SnapshotApi
from onyx_pipelines.sources.qdrant.streaming import Streamed, stream_snapshot

URL: Final = "http://qdrant:6333"


def archive_of(content: bytes) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as archive:
        entry = tarfile.TarInfo("segment")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return output.getvalue()


ARCHIVE: Final = archive_of(bytes(range(1, 256)) * 40)
ETAG: Final = '"5:abc"'

Handler = Callable[[httpx.Request], httpx.Response]


class Body(httpx.SyncByteStream):
    """Yields its parts, and then fails if there is an error."""

    def __init__(self, *parts: bytes, error: Exception | None = None) -> None:
        self._parts = parts
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        if self._error is not None:
            raise self._error


class Script:
    """Answers with one response after the other and keeps the requests."""

    def __init__(self, *responses: httpx.Response | Exception) -> None:
        self._responses = list(responses)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = self._responses.pop(0)
        if isinstance(response, Exception):
            raise response
        return response


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_RESUME_PAUSE_S", 0.0)


def snapshot_of(data: bytes, *, checksum: str | None = "", size_bytes: int = -1) -> ServerSnapshot:
    right = hashlib.sha256(data).hexdigest() if checksum == "" else checksum
    size = len(data) if size_bytes < 0 else size_bytes
    return ServerSnapshot("documents", "documents-1.snapshot", size, right)


def stream(script: Handler, snapshot: ServerSnapshot) -> tuple[bytes, Streamed]:
    errors = QdrantErrors(URL, SecretStr(""))
    received = bytearray()

    class Sink:
        def write(self, data: bytes | bytearray | memoryview, /) -> int:
            received.extend(data)
            return len(data)

        def sha256(self) -> str:
            return hashlib.sha256(received).hexdigest()

    with httpx.Client(base_url=URL, transport=httpx.MockTransport(script)) as client:
        meter = Meter(silent, component="qdrant", item="documents")
        streamed = stream_snapshot(
            SnapshotApi(client, errors, Patience()), errors, snapshot, Sink(), meter
        )
    return bytes(received), streamed


def whole(data: bytes = ARCHIVE) -> httpx.Response:
    return httpx.Response(200, headers={"etag": ETAG}, stream=Body(data))


def cut_after(count: int, *, status: int = 200, etag: str = ETAG, start: int = 0) -> httpx.Response:
    error = httpx.ReadError("connection reset")
    body = Body(ARCHIVE[start : start + count], error=error)
    return httpx.Response(status, headers={"etag": etag} if etag else {}, stream=body)


def rest_from(start: int, **headers: str) -> httpx.Response:
    return httpx.Response(206, headers={"etag": ETAG, **headers}, stream=Body(ARCHIVE[start:]))


def test_the_bytes_and_their_hash_come_through() -> None:
    received, streamed = stream(Script(whole()), snapshot_of(ARCHIVE))

    assert received == ARCHIVE
    assert streamed == Streamed(
        len(ARCHIVE), hashlib.sha256(ARCHIVE).hexdigest(), has_server_checksum=True
    )


def test_a_checksum_in_capitals_is_the_same_checksum() -> None:
    checksum = hashlib.sha256(ARCHIVE).hexdigest().upper()

    _, streamed = stream(Script(whole()), snapshot_of(ARCHIVE, checksum=checksum))

    assert streamed.has_server_checksum


def test_without_a_checksum_the_length_is_what_was_checked() -> None:
    _, streamed = stream(Script(whole()), snapshot_of(ARCHIVE, checksum=None))

    assert not streamed.has_server_checksum


def test_after_a_cut_the_rest_of_the_same_file_is_asked_for() -> None:
    script = Script(cut_after(1000), rest_from(1000))

    received, _ = stream(script, snapshot_of(ARCHIVE))

    assert received == ARCHIVE
    assert "range" not in script.requests[0].headers
    assert script.requests[1].headers["range"] == "bytes=1000-"
    assert script.requests[1].headers["if-match"] == ETAG


def test_a_body_that_ends_early_is_a_cut() -> None:
    script = Script(whole(ARCHIVE[:1000]), rest_from(1000))

    received, _ = stream(script, snapshot_of(ARCHIVE))

    assert received == ARCHIVE


def test_a_server_that_is_away_for_a_moment_is_asked_again() -> None:
    script = Script(cut_after(1000), httpx.ConnectError("refused"), rest_from(1000))

    received, _ = stream(script, snapshot_of(ARCHIVE))

    assert received == ARCHIVE


def test_cuts_without_progress_are_given_up() -> None:
    cuts = [cut_after(0, status=206) for _ in range(20)]
    script = Script(cut_after(1000), *cuts)

    with pytest.raises(SourceError, match=r"connection was lost after 1000 of \d+ bytes") as caught:
        stream(script, snapshot_of(ARCHIVE))

    assert caught.value.transient
    assert len(script.requests) <= 7


def test_cuts_with_progress_go_on_for_as_long_as_they_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "_PROGRESS_BYTES", 100)
    starts = range(0, len(ARCHIVE), 500)
    script = Script(*(cut_after(500, status=206 if s else 200, start=s) for s in starts))

    received, _ = stream(script, snapshot_of(ARCHIVE))

    assert received == ARCHIVE
    assert len(script.requests) > 20


def test_without_an_etag_nothing_is_resumed() -> None:
    script = Script(cut_after(1000, etag=""), rest_from(1000))

    with pytest.raises(SourceError, match="connection was lost"):
        stream(script, snapshot_of(ARCHIVE))

    assert len(script.requests) == 1


def test_silence_is_not_waited_out_twice() -> None:
    error = httpx.ReadTimeout("")
    silence = httpx.Response(200, headers={"etag": ETAG}, stream=Body(b"x" * 10, error=error))
    script = Script(silence, rest_from(10))

    with pytest.raises(SourceError, match="no byte came for too long after 10 of") as caught:
        stream(script, snapshot_of(ARCHIVE))

    assert caught.value.transient
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [412, 416])
def test_a_file_that_changed_meanwhile_is_not_patched_together(status: int) -> None:
    script = Script(cut_after(1000), httpx.Response(status))

    with pytest.raises(SourceError, match="changed on the server") as caught:
        stream(script, snapshot_of(ARCHIVE))

    assert caught.value.transient


def test_a_server_that_ignores_the_range_is_refused_unread() -> None:
    never_read = httpx.Response(200, stream=Body(error=AssertionError("was read")))

    with pytest.raises(SourceError, match="HTTP 200"):
        stream(Script(cut_after(1000), never_read), snapshot_of(ARCHIVE))


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_compressed_answer_is_refused_for_good(coding: str) -> None:
    headers = {"content-encoding": coding, "etag": ETAG}
    script = Script(httpx.Response(200, headers=headers, stream=Body(b"packed")))

    with pytest.raises(SourceError, match="compressed") as caught:
        stream(script, snapshot_of(ARCHIVE))

    assert not caught.value.transient


def test_another_checksum_is_an_error() -> None:
    with pytest.raises(SourceError, match="do not have the server's checksum"):
        stream(Script(whole()), snapshot_of(ARCHIVE, checksum="0" * 64))


def test_more_bytes_than_announced_are_an_error() -> None:
    with pytest.raises(SourceError, match=r"\d+ bytes came, 1000 were announced"):
        stream(Script(whole()), snapshot_of(ARCHIVE, checksum=None, size_bytes=1000))


@pytest.mark.parametrize("content", [b"text" * 5000, bytes(20000)])
def test_an_archive_without_its_end_is_an_error_though_its_checksum_is_right(
    content: bytes,
) -> None:
    short = archive_of(content)[:-15000]

    with pytest.raises(SourceError, match="no end marker"):
        stream(Script(whole(short)), snapshot_of(short))


def test_an_empty_snapshot_is_an_error() -> None:
    with pytest.raises(SourceError):
        stream(Script(), snapshot_of(b""))


@pytest.mark.parametrize(("status", "transient"), [(500, True), (503, True), (404, False)])
def test_an_error_status_is_worded_with_what_the_server_said(
    status: int, *, transient: bool
) -> None:
    body = Body(b'{"status": {"error": "no such thing"}}')
    script = Script(httpx.Response(status, stream=body))

    with pytest.raises(SourceError, match=rf"HTTP {status} .*no such thing") as caught:
        stream(script, snapshot_of(ARCHIVE))

    assert caught.value.transient is transient
