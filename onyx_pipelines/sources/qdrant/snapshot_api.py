"""The snapshot endpoints of one Qdrant server, as calls that raise SourceError.

Where the server limits the rate, a call waits as it asks, as long as there is patience.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from onyx_pipelines.core.certificates import certificates_for
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.retry_after import moment_in
from onyx_pipelines.sources.qdrant.failures import NotThereError, QdrantErrors
from onyx_pipelines.sources.qdrant.patience import Patience

_CONNECT_TIMEOUT_S = 10.0
_WRITE_TIMEOUT_S = 60.0
_SHOWN_BYTES = 4096
_CHANGED = frozenset({412, 416})


@dataclass(frozen=True)
class ServerSnapshot:
    """As the server describes it; `checksum` is a SHA-256, or None (S3 snapshot storage)."""

    collection: str
    name: str
    size_bytes: int
    checksum: str | None


@dataclass(frozen=True)
class Listing:
    """Finished snapshots; `server_time` is the server's clock, a POSIX time, or None."""

    names: frozenset[str]
    server_time: float | None


@contextmanager
def open_http(
    url: str, api_key: SecretStr, *, read_timeout_s: float, ca_file: Path | None = None
) -> Iterator[httpx.Client]:
    """A client for both APIs.

    With the usual Accept-Encoding the server compresses on the fly, and neither length nor ranges
    hold. Connections are not kept: the server closes idle ones after 5 s, as httpx would.

    Args:
        ca_file: certificates to trust besides the system's.
    """
    headers = {"Accept-Encoding": "identity"}
    if api_key.get_secret_value():
        headers["api-key"] = api_key.get_secret_value()
    timeout = httpx.Timeout(_CONNECT_TIMEOUT_S, read=read_timeout_s, write=_WRITE_TIMEOUT_S)
    with httpx.Client(
        base_url=url,
        headers=headers,
        timeout=timeout,
        verify=_trusted(url, ca_file),
        limits=httpx.Limits(max_keepalive_connections=0),
    ) as client:
        yield client


def _trusted(url: str, ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is None:
        return certificates_for(url)
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"The certificates in {ca_file} cannot be used ({error.strerror or error}).",
            remedy="Let ONYX_QDRANT_CA_FILE name a readable PEM file.",
        ) from None
    return context


class SnapshotApi:
    """Thin: one method, one request."""

    def __init__(self, client: httpx.Client, errors: QdrantErrors, patience: Patience) -> None:
        self._client = client
        self._errors = errors
        self._patience = patience

    def version(self) -> str:
        doing = "asking for its version"
        with self._errors.during(doing):
            response = self._asked("GET", "/", doing)
            answer = response.json()
            if not isinstance(answer, dict) or not isinstance(answer.get("version"), str):
                raise ValueError("no version")
            return str(answer["version"])

    def list(self, collection: str) -> Listing:
        doing = f"listing snapshots of {collection!r}"
        with self._errors.during(doing):
            response = self._asked("GET", _path(collection), doing, collection)
            names = frozenset(str(each["name"]) for each in _result(response, list))
            return Listing(names, _date(response.headers.get("date", "")))

    def create(self, collection: str, *, timeout_s: float) -> ServerSnapshot:
        """Returns when the snapshot is finished; an error does not mean that there will be none.

        Raises:
            RefusedError: there will be none.
            SourceError: any other failure; the server goes on when its client has gone.
        """
        doing = f"making a snapshot of {collection!r}"
        timeout = httpx.Timeout(_CONNECT_TIMEOUT_S, read=timeout_s)
        with self._errors.during(doing):
            response = self._asked(
                "POST",
                _path(collection),
                doing,
                collection,
                params={"wait": "true"},
                timeout=timeout,
            )
            result = _result(response, dict)
            try:
                name, size = str(result["name"]), int(result["size"])
            except (KeyError, TypeError):
                raise ValueError("no name or size") from None
            return ServerSnapshot(collection, name, size, result.get("checksum") or None)

    def delete(self, collection: str, name: str) -> None:
        """A snapshot that is not there is fine."""
        doing = f"deleting the snapshot {name}"
        with self._errors.during(doing):
            path = _path(collection, name)
            with suppress(NotThereError):
                self._asked("DELETE", path, doing, collection, params={"wait": "true"})

    def is_creating(self, collection: str) -> bool | None:
        """Whether a snapshot is in the making; None: cannot be known (before 1.16, no access)."""
        return self._is_running("snapshot_creation_running", collection)

    def is_recovering(self, collection: str) -> bool | None:
        """Whether a snapshot is being put into the collection; None: cannot be known."""
        return self._is_running("snapshot_recovery_running", collection)

    def _is_running(self, gauge: str, collection: str) -> bool | None:
        metrics = self.metrics()
        if metrics is None:
            return None
        label = re.escape(f'id="{collection}"')
        found = re.search(rf"^\w*{gauge}\{{[^}}]*{label}[^}}]*\}} (\d+)", metrics, re.MULTILINE)
        return None if found is None else found[1] != "0"

    def metrics(self) -> str | None:
        """What Prometheus would read; None: not to this key, or not now."""
        try:
            response = self._client.get("/metrics", timeout=_CONNECT_TIMEOUT_S)
        except httpx.HTTPError:
            return None
        return response.text if response.is_success else None

    @contextmanager
    def download(
        self, snapshot: ServerSnapshot, *, start: int = 0, etag: str = ""
    ) -> Iterator[httpx.Response]:
        """The bytes from `start` on, of the very file that had `etag`.

        Raises:
            SourceError: another answer than those bytes.
            httpx.TransportError: the connection was lost; one may go on from there.
        """
        doing = f"streaming {snapshot.name}"
        headers = {"Range": f"bytes={start}-", "If-Match": etag} if start else {}
        path = _path(snapshot.collection, snapshot.name)
        with self._downloading(path, headers, snapshot.collection) as response:
            if response.status_code in _CHANGED:
                raise self._errors.failed(
                    doing,
                    "it changed on the server while it was read",
                    remedy="Run it again.",
                    transient=True,
                )
            if response.is_error:
                raise self._errors.answered(doing, response.status_code, _beginning(response))
            if response.status_code != (206 if start else 200):
                # A 200 to a Range request has the whole snapshot as its body: it is not read.
                raise self._errors.answered(doing, response.status_code, "")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise self._errors.failed(
                    doing,
                    "the answer is compressed although that was ruled out",
                    remedy="Let the proxy in between pass snapshots as they are.",
                )
            yield response

    @contextmanager
    def _downloading(
        self, path: str, headers: Mapping[str, str], collection: str
    ) -> Iterator[httpx.Response]:
        while True:
            with self._client.stream("GET", path, headers=headers) as response:
                wait_s = self._patience.until_next(response, collection)
                if wait_s is None:
                    yield response
                    return
            time.sleep(wait_s)

    def _asked(
        self, method: str, path: str, doing: str, collection: str = "", **options: Any
    ) -> httpx.Response:
        while True:
            response = self._client.request(method, path, **options)
            if response.is_success:
                return response
            wait_s = self._patience.until_next(response, collection, response.text)
            if wait_s is None:
                raise self._errors.answered(doing, response.status_code, response.text)
            time.sleep(wait_s)


def _path(collection: str, snapshot: str = "") -> str:
    path = f"/collections/{quote(collection, safe='')}/snapshots"
    return f"{path}/{quote(snapshot, safe='')}" if snapshot else path


def _beginning(response: httpx.Response) -> str:
    data = b""
    for part in response.iter_raw():
        data += part
        if len(data) > _SHOWN_BYTES:
            break
    return data.decode("utf-8", "replace")


def _result(response: httpx.Response, kind: type) -> Any:
    answer = response.json()
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, kind):
        raise ValueError("no result")
    return result


def _date(header: str) -> float | None:
    at = moment_in(header)
    return None if at is None else at.timestamp()
