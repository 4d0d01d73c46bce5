"""Server snapshots: created, streamed, checked, and deleted on the server whatever happens.

A server goes on creating a snapshot after its client has gone, so a request that never answered
leaves one too.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from onyx_pipelines.errors import SourceError
from onyx_pipelines.progress import Meter
from onyx_pipelines.sources.qdrant.failures import qdrant_errors, status_error
from onyx_pipelines.sources.qdrant.journal import JournalEntry, SnapshotJournal
from onyx_pipelines.sources.source import ByteSink, object_path

_CHUNK = 1024 * 1024
_RESUMES = 5
_TAR_END = bytes(1024)
# Between two clocks: a snapshot's name has the server's time.
_CLOCK_SLACK_S = 120
_STAMP = re.compile(r"-(\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d)\.snapshot$")


@dataclass(frozen=True)
class ServerSnapshot:
    """As the server describes it; `checksum` is a SHA-256, or None."""

    collection: str
    name: str
    size_bytes: int
    checksum: str | None


@dataclass(frozen=True)
class Streamed:
    """What went through `stream`."""

    size_bytes: int
    sha256: str
    checked_by_server: bool


class SnapshotService:
    """The snapshot endpoints of one server.

    Args:
        client: whose requests carry the key and `Accept-Encoding: identity`; otherwise the server
            compresses on the fly, and length and ranges no longer hold.
        create_timeout_s: how long one snapshot may take.
        wait_after_timeout_s: how long to wait for one that a timed-out request left in the making.
    """

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        journal: SnapshotJournal,
        *,
        create_timeout_s: float,
        wait_after_timeout_s: float = 600,
    ) -> None:
        self._client = client
        self._url = url
        self._journal = journal
        self._create_timeout_s = create_timeout_s
        self._wait_after_timeout_s = wait_after_timeout_s

    @contextmanager
    def snapshot(self, collection: str, warn: Callable[[str], None]) -> Iterator[ServerSnapshot]:
        """A snapshot that is deleted at the end of the block; `warn` hears where that failed.

        Raises:
            SourceError: it could not be created.
        """
        slot = object_path(collection, suffix="")
        entry = JournalEntry(
            url=self._url,
            collection=collection,
            snapshot="",
            present=tuple(self.described(collection)),
            requested_at=time.time(),
        )
        self._journal.write(entry, slot)
        created: ServerSnapshot | None = None
        try:
            created = self._create(collection)
            entry = entry.model_copy(update={"snapshot": created.name})
            self._journal.write(entry, slot)
            yield created
        finally:
            if created is None:
                self._wait_until_idle(collection)
            problem = self.remove_ours(entry)
            if problem:
                warn(problem)
            else:
                self._journal.forget(slot)

    def remove_orphans(self, warn: Callable[[str], None]) -> None:
        """Delete what an earlier run of ours left on this server."""
        for slot, entry in self._journal.read().items():
            if entry.url != self._url:
                continue
            problem = self.remove_ours(entry)
            if problem:
                warn(problem)
            else:
                self._journal.forget(slot)

    def remove_ours(self, entry: JournalEntry) -> str:
        """Delete the entry's snapshot; gives what went wrong, or ""."""
        try:
            names = [entry.snapshot] if entry.snapshot else self._candidates(entry)
            if len(names) > 1:
                return (
                    f"Qdrant collection {entry.collection!r} has {len(names)} new snapshots, and"
                    " which one is ours is not known: none was deleted"
                )
            for name in names:
                self._delete(entry.collection, name)
        except SourceError as error:
            return f"a snapshot of {entry.collection!r} stays on the Qdrant server: {error.what}"
        return ""

    def described(self, collection: str) -> dict[str, dict[str, Any]]:
        """Names and descriptions."""
        found = self._json("GET", _path(collection), f"listing snapshots of {collection!r}")
        return {each["name"]: each for each in found}

    def stream(self, snapshot: ServerSnapshot, sink: ByteSink, meter: Meter) -> Streamed:
        """Copy the snapshot's bytes into the sink and check them.

        Raises:
            SourceError: cut short, compressed, or other bytes than the server's checksum says.
        """
        digest = hashlib.sha256()
        tail = b""
        for data in self._bytes(snapshot):
            digest.update(data)
            sink.write(data)
            meter.add(len(data))
            tail = (tail + data)[-len(_TAR_END) :]
        doing = f"streaming {snapshot.name}"
        if snapshot.checksum and digest.hexdigest() != snapshot.checksum.lower():
            raise SourceError(
                f"Qdrant {self._url}: {doing}: the bytes do not have the server's checksum.",
                remedy="Run it again; if it stays, check the server's disk and memory.",
                transient=True,
            )
        if tail != _TAR_END:
            raise SourceError(
                f"Qdrant {self._url}: {doing}: the archive has no end marker.",
                remedy="The server did not finish it: see its log and its free disk.",
            )
        return Streamed(meter.done_bytes, digest.hexdigest(), snapshot.checksum is not None)

    def _bytes(self, snapshot: ServerSnapshot) -> Iterator[bytes]:
        """With resumes: a lost connection costs what was under way, not the whole."""
        path = _path(snapshot.collection, snapshot.name)
        doing = f"streaming {snapshot.name}"
        position, etag, resumes = 0, "", 0
        while position < snapshot.size_bytes:
            headers = {"Range": f"bytes={position}-", "If-Match": etag} if position else {}
            try:
                with self._client.stream("GET", path, headers=headers) as response:
                    if response.status_code != (206 if position else 200):
                        response.read()
                        raise status_error(self._url, doing, response.status_code, response.text)
                    if response.headers.get("content-encoding", "identity") != "identity":
                        raise SourceError(
                            f"Qdrant {self._url}: {doing}: the answer is compressed although that"
                            " was ruled out.",
                            remedy="Let a proxy in between pass snapshots as they are.",
                        )
                    etag = response.headers.get("etag", "")
                    for data in response.iter_raw(_CHUNK):
                        position += len(data)
                        yield data
                if position < snapshot.size_bytes:
                    raise httpx.RemoteProtocolError("the body ended early")
            except httpx.TransportError as error:
                resumes += 1
                if resumes > _RESUMES or not etag or isinstance(error, httpx.TimeoutException):
                    raise SourceError(
                        f"Qdrant {self._url}: {doing}: cut off after {position} of"
                        f" {snapshot.size_bytes} bytes ({type(error).__name__}).",
                        remedy="See whether the server and the network are well.",
                        transient=True,
                    ) from None
        if position != snapshot.size_bytes:
            raise SourceError(
                f"Qdrant {self._url}: {doing}: {position} bytes came, {snapshot.size_bytes} were"
                " announced.",
                remedy="Run it again.",
                transient=True,
            )

    def _create(self, collection: str) -> ServerSnapshot:
        timeout = httpx.Timeout(10, read=self._create_timeout_s)
        result = self._json(
            "POST",
            _path(collection),
            f"making a snapshot of {collection!r}",
            params={"wait": "true"},
            timeout=timeout,
        )
        return ServerSnapshot(
            collection, result["name"], int(result["size"]), result.get("checksum") or None
        )

    def _delete(self, collection: str, name: str) -> None:
        doing = f"deleting the snapshot {name}"
        with qdrant_errors(self._url, doing):
            response = self._client.delete(_path(collection, name), params={"wait": "true"})
        if response.status_code not in (200, 404):
            raise status_error(self._url, doing, response.status_code, response.text)

    def _candidates(self, entry: JournalEntry) -> list[str]:
        """New names whose own time is not before the request."""
        return [
            name
            for name in self.described(entry.collection)
            if name not in entry.present and _made_at(name) >= entry.requested_at - _CLOCK_SLACK_S
        ]

    def _wait_until_idle(self, collection: str) -> None:
        """Until the server says that it makes none (gauge of 1.16 and later), or cannot say."""
        name = re.escape(f'id="{collection}"')
        gauge = re.compile(rf"^snapshot_creation_running\{{[^}}]*{name}[^}}]*\}} (\d+)", re.M)
        deadline = time.monotonic() + self._wait_after_timeout_s
        while time.monotonic() < deadline:
            try:
                text = self._client.get("/metrics", timeout=10).text
            except httpx.HTTPError:
                return
            running = gauge.search(text)
            if running is None or running[1] == "0":
                return
            time.sleep(0.5)

    def _json(self, method: str, path: str, doing: str, **options: Any) -> Any:
        with qdrant_errors(self._url, doing):
            response = self._client.request(method, path, **options)
        if response.status_code >= 400:
            raise status_error(self._url, doing, response.status_code, response.text)
        return response.json()["result"]


def _path(collection: str, snapshot: str = "") -> str:
    path = f"/collections/{quote(collection, safe='')}/snapshots"
    return f"{path}/{quote(snapshot, safe='')}" if snapshot else path


def _made_at(name: str) -> float:
    """The time in a snapshot's name, as a POSIX time; 0 where there is none."""
    match = _STAMP.search(name)
    if match is None:
        return 0.0
    made = datetime.strptime(match[1], "%Y-%m-%d-%H-%M-%S").replace(tzinfo=UTC)
    return made.timestamp()
