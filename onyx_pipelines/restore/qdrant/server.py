"""One Qdrant server that collections are restored into: look, upload, read back, take away."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import httpx

from onyx_pipelines.errors import IntegrityError
from onyx_pipelines.progress import Meter
from onyx_pipelines.restore.qdrant.collections import CollectionObjects
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer
from onyx_pipelines.restore.qdrant.requests import Address
from onyx_pipelines.sources.qdrant.facts import CollectionFacts, Json
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.reading import (
    all_aliases,
    collection_names,
    configuration,
    exact_count,
    open_client,
    points_with,
    search,
)
from onyx_pipelines.sources.qdrant.snapshot_api import SnapshotApi, open_http
from onyx_pipelines.vault.stores.store import ObjectReader

if TYPE_CHECKING:
    # Most of a command's start-up: imported where it is used.
    from qdrant_client import QdrantClient

_CHUNK: Final = 1024 * 1024
_METADATA_TIMEOUT_S: Final = 60.0
# Unpacking and loading come after the last byte, and the server says nothing meanwhile.
_RECOVERY_TIMEOUT_S: Final = 3600.0


class TargetQdrant:
    """Calls that raise SourceError; made by `open_target`."""

    def __init__(
        self, address: Address, client: QdrantClient, http: httpx.Client, errors: QdrantErrors
    ) -> None:
        self._client = client
        self._http = http
        self._errors = errors
        self._snapshots = SnapshotApi(http, errors)
        self.url = address.url
        self.version = self._snapshots.version()

    def collections(self) -> list[str]:
        with self._errors.during("listing collections"):
            return collection_names(self._client)

    def aliases(self) -> dict[str, str]:
        with self._errors.during("listing aliases"):
            return all_aliases(self._client)

    def count(self, collection: str) -> int:
        with self._errors.during(f"counting {collection!r}"):
            return exact_count(self._client, collection)

    def vectors(self, collection: str) -> object:
        """The vector parameters, which a snapshot must have too to take the collection's place."""
        with self._errors.during(f"reading {collection!r}"):
            return configuration(self._client, collection)[0].get("params", {}).get("vectors")

    def upload(
        self, collection: str, source: CollectionObjects, reader: ObjectReader, meter: Meter
    ) -> None:
        """Make the collection from a snapshot, or put the snapshot in the place of its data.

        Raises:
            SourceError: the server did not take it.
            IntegrityError: what was read is not what the manifest says; the server got no end.
        """
        doing = f"restoring {collection!r}"
        name = f"onyx-{secrets.token_hex(6)}.snapshot"
        form = _Form(name, source.snapshot.plain_bytes, reader, meter)
        timeout = httpx.Timeout(
            _METADATA_TIMEOUT_S, read=_RECOVERY_TIMEOUT_S, write=_METADATA_TIMEOUT_S
        )
        before = self._listed(collection)
        try:
            with self._errors.during(doing):
                response = self._http.post(
                    f"/collections/{quote(collection, safe='')}/snapshots/upload",
                    params={
                        "wait": "true",
                        "priority": "snapshot",
                        "checksum": source.facts.snapshot_sha256,
                    },
                    headers=form.headers,
                    content=form.body(),
                    timeout=timeout,
                )
                if not response.is_success:
                    raise self._errors.answered(doing, response.status_code, response.text)
        finally:
            # The server keeps the uploaded file among the collection's snapshots.
            for left in self._listed(collection) - before:
                self._snapshots.delete(collection, left)

    def read(self, collection: str, expected: CollectionFacts) -> tuple[Json, EdgeAnswer]:
        """The configuration, and what the facts' sample and query find there now."""
        with self._errors.during(f"reading {collection!r}"):
            config, _ = configuration(self._client, collection)
            query = expected.query
            return config, EdgeAnswer(
                count=exact_count(self._client, collection),
                points=points_with(self._client, collection, [p.id for p in expected.sample]),
                neighbours=search(self._client, collection, query.vector, query.using)
                if query
                else (),
                engine=f"Qdrant {self.version}",
            )

    def delete(self, collection: str) -> None:
        """One that is not there is fine."""
        with self._errors.during(f"deleting {collection!r}"):
            self._client.delete_collection(collection)

    def point_alias(self, alias: str, collection: str, *, exists: bool) -> None:
        """Let the alias mean this collection, in one call."""
        from qdrant_client import models

        create = models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name=collection, alias_name=alias)
        )
        delete = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        with self._errors.during(f"setting the alias {alias!r}"):
            self._client.update_collection_aliases([delete, create] if exists else [create])

    def identity(self) -> str | None:
        """Of the running process (`/telemetry`); None: it does not say, or not to this key."""
        try:
            response = self._http.get("/telemetry", timeout=_METADATA_TIMEOUT_S)
            answer = response.json() if response.is_success else {}
        except (httpx.HTTPError, ValueError):
            return None
        result = answer.get("result") if isinstance(answer, dict) else None
        return str(result["id"]) if isinstance(result, dict) and result.get("id") else None

    def _listed(self, collection: str) -> frozenset[str]:
        if collection not in self.collections():
            return frozenset()
        return self._snapshots.list(collection).names


@contextmanager
def open_target(address: Address) -> Iterator[TargetQdrant]:
    """Raises SourceError if the server does not answer."""
    errors = QdrantErrors(address.url, address.api_key)
    with (
        open_client(address.url, address.api_key, timeout_s=_METADATA_TIMEOUT_S) as client,
        open_http(address.url, address.api_key, read_timeout_s=_METADATA_TIMEOUT_S) as http,
    ):
        yield TargetQdrant(address, client, http, errors)


class _Form:
    """A multipart form of one file, streamed, whose length is known before."""

    def __init__(self, name: str, plain_bytes: int, reader: ObjectReader, meter: Meter) -> None:
        boundary = secrets.token_hex(16)
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="snapshot"; filename="{name}"'
            "\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._plain_bytes = plain_bytes
        self._reader = reader
        self._meter = meter
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + plain_bytes + len(self._tail)),
        }

    def body(self) -> Iterator[bytes]:
        yield self._head
        sent = 0
        while data := self._reader.read(_CHUNK):
            sent += len(data)
            yield data
            self._meter.add(len(data))
        if sent != self._plain_bytes:
            raise IntegrityError(
                f"The snapshot has {sent:,} bytes instead of {self._plain_bytes:,}.",
                remedy="Restore it from the other store, or another set.",
            )
        self._meter.finish()
        yield self._tail
