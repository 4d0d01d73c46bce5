"""One Qdrant server that collections are restored into: look, upload, read back, take away."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote, unquote

import httpx
from pydantic import SecretStr

from onyx_pipelines.core.errors import IntegrityError, SettingsError, SourceError
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import count_text, number_text
from onyx_pipelines.core.threads import begun
from onyx_pipelines.core.whole_answer import OTHER_FORM
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.qdrant.collections import CollectionObjects
from onyx_pipelines.restore.qdrant.edge_protocol import EdgeAnswer
from onyx_pipelines.sources.qdrant.address import is_this_host, normalised_url
from onyx_pipelines.sources.qdrant.collection_api import CollectionApi
from onyx_pipelines.sources.qdrant.condition import withheld
from onyx_pipelines.sources.qdrant.examining import require_management
from onyx_pipelines.sources.qdrant.facts import (
    CollectionFacts,
    Json,
    Neighbour,
    PointFacts,
    QueryFacts,
)
from onyx_pipelines.sources.qdrant.failures import QdrantErrors, RefusedError
from onyx_pipelines.sources.qdrant.looking import Limits, Looking
from onyx_pipelines.sources.qdrant.patience import EACH_S, Patience
from onyx_pipelines.sources.qdrant.reading import payload_schema, search, settled_info
from onyx_pipelines.sources.qdrant.snapshot_api import SnapshotApi, open_http

_METADATA_TIMEOUT_S: Final = 60.0
# Unpacking and loading come after the last byte, and the server says nothing meanwhile.
_UPLOAD_TIMEOUT: Final = httpx.Timeout(_METADATA_TIMEOUT_S, read=3600.0, write=_METADATA_TIMEOUT_S)
_BARE: Final[Json] = {"vectors": {}, "wal_config": {"wal_capacity_mb": 1}}
# A server that makes a collection of a snapshot leaves these out.
_NOT_TAKEN: Final = ("read_fan_out_factor", "read_fan_out_delay_ms")


T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    """A server, the key for it, which is in no text, and certificates to trust."""

    url: str
    api_key: SecretStr
    ca_file: Path | None = None


def address_of(choice: RestoreChoice, settings: Settings) -> Address:
    """The server to restore into.

    Raises:
        SettingsError: none is configured or named.
        SourceError: its address is not one.
    """
    key = settings.qdrant_api_key
    if choice.address(("http", "https"), "a Qdrant server") is not None:
        own = settings.restore_qdrant_api_key
        key = own if own.get_secret_value() else key
        return Address(normalised_url(_parts(choice)[0]), key, settings.qdrant_ca_file)
    if not settings.qdrant_url:
        raise SettingsError(
            "The settings of this host name no Qdrant.",
            remedy="Set ONYX_QDRANT_URL, or name a server (--into http://HOST:6333).",
        )
    return Address(normalised_url(settings.qdrant_url), key, settings.qdrant_ca_file)


def new_name_of(choice: RestoreChoice) -> str:
    """Of the one collection chosen; empty: it keeps its own."""
    return _parts(choice)[1]


def _parts(choice: RestoreChoice) -> tuple[str, str]:
    """Of `--into`: the server's URL (empty: the configured one) and the collection's name."""
    if "://" not in choice.into:
        return "", choice.into
    server, _, name = choice.into.partition("/collections/")
    return server.rstrip("/"), unquote(name)


@dataclass(frozen=True)
class ReadBack:
    """What a collection is now, as its facts ask for it."""

    config: Json
    payload_schema: Json
    answer: EdgeAnswer


@dataclass(frozen=True)
class IndexState:
    """What a collection says of its index; `problem`: what its optimizer failed at."""

    status: str
    indexed_vectors: int
    problem: str = ""


class TargetQdrant:
    """Calls that raise SourceError; made by `open_target`."""

    def __init__(self, address: Address, http: httpx.Client, errors: QdrantErrors) -> None:
        self._http = http
        self._errors = errors
        self.patience = Patience()
        self._snapshots = SnapshotApi(http, errors, self.patience)
        self._collections = CollectionApi(
            http, errors, timeout_s=_METADATA_TIMEOUT_S, patience=self.patience
        )
        self.url = address.url
        self.version = self._snapshots.version()

    def answers(self) -> bool:
        try:
            self.collections()
        except SourceError:
            return False
        return True

    def require_rights(self) -> None:
        """Raises SourceError: the key may not restore."""
        require_management(self._snapshots, self._errors)

    def collections(self) -> list[str]:
        return self._collections.names()

    def aliases(self) -> dict[str, str]:
        return self._collections.aliases()

    def count(self, collection: str) -> int:
        """Roughly, which no collection refuses."""
        return int(self._collections.info(collection).get("points_count") or 0)

    def upload(
        self,
        collection: str,
        file: str,
        source: CollectionObjects,
        pieces: Callable[[], AbstractContextManager[Iterator[bytes]]],
    ) -> None:
        """Make the collection from a snapshot, or put the snapshot in the place of its data.

        The server keeps the snapshot under this name of a file, whatever becomes of it.

        Args:
            pieces: of the snapshot, from its beginning each time that it is called.

        Raises:
            SourceError: the server did not take it.
            IntegrityError: what was read is not what the manifest says; the server got no end.
        """
        doing = f"restoring {collection!r}"
        size = source.snapshot.plain_bytes
        while True:
            with self._errors.during(doing), pieces() as each:
                form = _Form(file, size, each)
                response = self._http.post(
                    f"/collections/{quote(collection, safe='')}/snapshots/upload",
                    params={"wait": "true", "priority": "snapshot", **self._checked(source)},
                    headers=form.headers,
                    content=form.body(),
                    timeout=_UPLOAD_TIMEOUT,
                )
            if response.is_success:
                self._set_what_was_not_taken(collection, source.facts.config)
                return
            wait_s = self.patience.until_next(response, collection, response.text)
            if wait_s is None:
                raise self._not_taken(doing, response, size)
            time.sleep(wait_s)

    def _checked(self, source: CollectionObjects) -> dict[str, str]:
        """What lets the server compare the sum of what it got. Nothing where no network is between:
        what is sent was authenticated, and reading it once more takes a second for each gigabyte
        (docs/decisions.md)."""
        return {} if is_this_host(self.url) else {"checksum": source.facts.snapshot_sha256}

    def _set_what_was_not_taken(self, collection: str, config: Json) -> None:
        params = config.get("params", {})
        left = {key: params[key] for key in _NOT_TAKEN if params.get(key) is not None}
        if left:
            self._collections.change(collection, {"params": left})

    def _not_taken(self, doing: str, response: httpx.Response, size: int) -> SourceError:
        error = self._errors.answered(doing, response.status_code, response.text)
        short = shortage(response.status_code, response.text, size)
        if short is None:
            return error
        why, remedy = short
        what = error.what.replace(f"{doing}: ", f"{doing}: {why}", 1)
        return type(error)(what, remedy=remedy, transient=error.transient)

    def is_recovering(self, collection: str) -> bool:
        """Whether the server says that it is putting a snapshot into it."""
        return self._snapshots.is_recovering(collection) is True

    def delete_file(self, collection: str, file: str) -> None:
        """One that is not there is fine; the collection must be."""
        self._snapshots.delete(collection, file)

    def make_bare(self, collection: str) -> None:
        """With nothing in it, and little on disk."""
        self._collections.create(collection, _BARE)

    def is_bare(self, collection: str) -> bool:
        """Whether it has neither vectors nor points: nothing is lost with it."""
        info = self._collections.info(collection)
        params = info.get("config", {}).get("params", {})
        vectors = params.get("vectors", "unknown") or params.get("sparse_vectors")
        return not vectors and info.get("points_count") == 0

    def cluster(self, collection: str) -> Json:
        """Where its shards are, and in which state."""
        return self._collections.cluster(collection)

    def read(self, collection: str, expected: CollectionFacts) -> ReadBack:
        """The configuration, and what the facts' points and query find there now."""
        with self._errors.during(f"reading {collection!r}"):
            api = self._collections
            # A server applies the snapshot's last updates when it has answered.
            info = settled_info(api, collection, self.patience, EACH_S)
            limits = Limits.of(info["config"])
            looking = Looking(api, collection, limits)
            found = _beside(limits, partial(_searched, api, collection, expected.query), "searched")
            if expected.sample_is_all:
                points = looking.all_points()
                count = len(points)
            else:
                counted = _beside(limits, looking.count, "counted")
                points = looking.points([point.id for point in expected.sample])
                count = counted()
            neighbours, no_query = found()
            answer = EdgeAnswer(
                count=count,
                points=tuple(PointFacts(id=i, fingerprint=print_) for i, print_ in points.items()),
                neighbours=neighbours,
                no_query=no_query,
                withheld=withheld(info),
                engine=f"Qdrant {self.version}",
            )
            return ReadBack(info["config"], payload_schema(info), answer)

    def indexing(self, collection: str) -> IndexState:
        with self._errors.during(f"asking how far {collection!r} is indexed"):
            info = self._collections.info(collection)
            optimizer = info.get("optimizer_status")
            return IndexState(
                status=str(info["status"]),
                indexed_vectors=int(info.get("indexed_vectors_count") or 0),
                problem=str(optimizer.get("error", "")) if isinstance(optimizer, dict) else "",
            )

    def start_optimizer(self, collection: str) -> None:
        """Of a grey collection, which waits for any change: this one changes nothing."""
        self._collections.change(collection, {"optimizers_config": {}})

    def delete(self, collection: str) -> None:
        """One that is not there is fine."""
        self._collections.delete(collection)

    def point_alias(self, alias: str, collection: str, *, exists: bool) -> None:
        """Let the alias mean this collection, in one call."""
        create = {"create_alias": {"collection_name": collection, "alias_name": alias}}
        delete = {"delete_alias": {"alias_name": alias}}
        self._collections.change_aliases([delete, create] if exists else [create])

    def identity(self) -> str | None:
        """Of the running process (`/telemetry`); None: it does not say, or not to this key."""
        try:
            response = self._http.get("/telemetry", timeout=_METADATA_TIMEOUT_S)
            answer = response.json() if response.is_success else {}
        except (httpx.HTTPError, *OTHER_FORM):
            return None
        result = answer.get("result") if isinstance(answer, dict) else None
        return str(result["id"]) if isinstance(result, dict) and result.get("id") else None


def _searched(
    api: CollectionApi, collection: str, query: QueryFacts | None
) -> tuple[tuple[Neighbour, ...], str]:
    """The nearest points, and why there was no search, where a limit of the collection forbids."""
    if query is None:
        return (), ""
    try:
        found = search(api, collection, query.vector, query.using, len(query.neighbours))
    except RefusedError as error:
        return (), error.what
    return found, ""


def _beside(limits: Limits, call: Callable[[], T], name: str) -> Callable[[], T]:
    """Made while others are, unless the rate is limited: then when its answer is asked for."""
    return call if limits.reads_per_minute else begun(call, name).result


@contextmanager
def open_target(address: Address) -> Iterator[TargetQdrant]:
    """Raises SourceError if the server does not answer."""
    errors = QdrantErrors(address.url, address.api_key)
    with open_http(
        address.url,
        address.api_key,
        read_timeout_s=_METADATA_TIMEOUT_S,
        ca_file=address.ca_file,
    ) as http:
        yield TargetQdrant(address, http, errors)


class _Form:
    """A multipart form of one file, streamed, whose length is known before."""

    def __init__(self, name: str, plain_bytes: int, pieces: Iterator[bytes]) -> None:
        boundary = secrets.token_hex(16)
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="snapshot"; filename="{name}"'
            "\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._plain_bytes = plain_bytes
        self._pieces = pieces
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + plain_bytes + len(self._tail)),
        }

    def body(self) -> Iterator[bytes]:
        yield self._head
        sent = 0
        for data in self._pieces:
            sent += len(data)
            yield data
        if sent != self._plain_bytes:
            raise IntegrityError(
                f"The snapshot has {count_text(sent, 'byte')} instead of"
                f" {number_text(self._plain_bytes)}.",
                remedy="Restore it from the other store, or another set.",
            )
        yield self._tail


_AT_PEAK: Final = 2.4
_WITH_THE_COPY: Final = 1 + _AT_PEAK
_FULL: Final = re.compile(r"no space left|os error 28|not enough (disk )?space", re.IGNORECASE)
# What it got is whole: its length was announced, and its checksum where a network was between.
_PROBABLY_FULL: Final = re.compile(r"failed to unpack", re.IGNORECASE)
_SERVER_FAILED: Final = 500


def peak_text(snapshot_bytes: int) -> str:
    """`972,000,000 bytes free at its peak, 2.4 times the snapshot`."""
    return _text(snapshot_bytes, _AT_PEAK)


def peak_in_place_text(snapshot_bytes: int) -> str:
    """The same, where a collection is replaced."""
    return _text(snapshot_bytes, _WITH_THE_COPY)


def shortage(status: int, said: str, snapshot_bytes: int) -> tuple[str, str] | None:
    """What to add to an answer that an upload got, and what to do; None: it is not about room."""
    if status < _SERVER_FAILED:
        return None
    needs = f"the upload needs {peak_text(snapshot_bytes)}, besides what is there"
    if status == 507 or _FULL.search(said):
        return "its disk is full: ", f"Free room on the server's disk: {needs}."
    if _PROBABLY_FULL.search(said):
        return "its disk is probably full: ", f"Free room on the server's disk: {needs}."
    return "", f"See Qdrant's own log, and whether its disk has room: {needs}."


def _text(snapshot_bytes: int, times: float) -> str:
    needed = count_text(int(times * snapshot_bytes), "byte")
    return f"{needed} free at its peak, {times:g} times the snapshot"
