"""The endpoints of collections and points of one Qdrant server, as calls that raise SourceError.

Plain JSON: a client's own types leave out what a newer server says. Where a collection limits the
rate, a call waits as the server asks, as long as there is patience.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

from onyx_pipelines.sources.qdrant.facts import Json
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.patience import Patience

# Of a page of points that has more than one.
_ANSWER_LIMIT_BYTES: Final = 8 << 20

PointId = int | str


@dataclass(frozen=True)
class Page:
    """Points as the server gives them, where the next ones begin, and how long the answer was."""

    points: list[Json]
    following: PointId | None
    answer_bytes: int


class PageTooLargeError(Exception):
    """These points take too much memory at once: ask for fewer."""


class CollectionApi:
    """Thin: one method, one request.

    Args:
        timeout_s: for one answer.
    """

    def __init__(
        self,
        client: httpx.Client,
        errors: QdrantErrors,
        *,
        timeout_s: float,
        patience: Patience,
    ) -> None:
        self._client = client
        self._errors = errors
        self._timeout_s = timeout_s
        self._patience = patience

    def names(self) -> list[str]:
        """Of all collections that the key may see, sorted."""
        with self._errors.during(doing := "listing collections"):
            found = self._call("GET", "/collections", doing)["collections"]
            return sorted(each["name"] for each in found)

    def aliases(self) -> dict[str, str]:
        """The collection of each alias that the key may see."""
        with self._errors.during(doing := "listing aliases"):
            found = self._call("GET", "/aliases", doing)["aliases"]
            return {each["alias_name"]: each["collection_name"] for each in found}

    def info(self, collection: str) -> Json:
        """Status, counts and configuration, as the server tells them."""
        with self._errors.during(f"reading {collection!r}"):
            found = self._of("GET", collection, "", "reading")
            return {**found, "config": {**found["config"]}}

    def cluster(self, collection: str) -> Json:
        """Where the shards are, as the server tells it."""
        with self._errors.during(f"asking where the shards are of {collection!r}"):
            return {**self._of("GET", collection, "/cluster", "asking where the shards are of")}

    def count(self, collection: str) -> int:
        """Of points, exactly."""
        body = {"exact": True}
        with self._errors.during(f"counting {collection!r}"):
            return int(self._of("POST", collection, "/points/count", "counting", body)["count"])

    def scroll(
        self,
        collection: str,
        *,
        limit: int,
        offset: PointId | None = None,
        only: Json | None = None,
        with_content: bool = True,
    ) -> Page:
        """In the order of their ids; those `only` that meet a condition.

        Raises:
            PageTooLargeError: as `retrieve`.
        """
        body: Json = {
            "limit": limit,
            "offset": offset,
            "with_payload": with_content,
            "with_vector": with_content,
        }
        if only is not None:
            body["filter"] = {"must": [only]}
        return self._page(collection, "/points/scroll", body)

    def retrieve(self, collection: str, ids: Sequence[PointId]) -> Page:
        """Those of them that are there.

        Raises:
            PageTooLargeError: there are several and they are large; nothing was kept of them.
        """
        body = {"ids": list(ids), "with_payload": True, "with_vector": True}
        return self._page(collection, "/points", body)

    def query(self, collection: str, body: Json) -> list[Json]:
        with self._errors.during(f"searching {collection!r}"):
            found = self._of("POST", collection, "/points/query", "searching", body)
            return _points(found["points"])

    def create(self, collection: str, config: Json) -> None:
        self._of("PUT", collection, "", "making", config)

    def change(self, collection: str, config: Json) -> None:
        self._of("PATCH", collection, "", "changing", config)

    def delete(self, collection: str) -> None:
        """One that is not there is fine."""
        self._of("DELETE", collection, "", "deleting")

    def change_aliases(self, actions: Sequence[Json]) -> None:
        """Change all of these aliases at once, or none."""
        body = {"actions": list(actions)}
        self._call("POST", "/collections/aliases", "setting aliases", body)

    def _page(self, collection: str, path: str, body: Json) -> Page:
        whole = f"/collections/{quote(collection, safe='')}{path}"
        several = body.get("limit", len(body.get("ids", ()))) > 1
        limit = _ANSWER_LIMIT_BYTES if several else None
        with self._errors.during(doing := f"reading the points of {collection!r}"):
            answer = self._answer("POST", whole, doing, body, collection, limit)
            result = _result(answer)
            if isinstance(result, list):
                return Page(_points(result), None, len(answer))
            points = _points(result["points"])
            return Page(points, result.get("next_page_offset"), len(answer))

    def _of(
        self, method: str, collection: str, path: str, doing: str, body: Json | None = None
    ) -> Any:
        whole = f"/collections/{quote(collection, safe='')}{path}"
        return self._call(method, whole, f"{doing} {collection!r}", body, collection)

    def _call(
        self, method: str, path: str, doing: str, body: Json | None = None, collection: str = ""
    ) -> Any:
        with self._errors.during(doing):
            return _result(self._answer(method, path, doing, body, collection))

    def _answer(
        self,
        method: str,
        path: str,
        doing: str,
        body: Json | None,
        collection: str,
        limit_bytes: int | None = None,
    ) -> bytes:
        while True:
            with (
                self._errors.during(doing),
                self._client.stream(method, path, json=body, timeout=self._timeout_s) as response,
            ):
                if response.is_success:
                    return _limited(response, limit_bytes)
                said = response.read().decode("utf-8", "replace")
                wait_s = self._patience.until_next(response, collection, said)
                if wait_s is None:
                    raise self._errors.answered(doing, response.status_code, said)
            time.sleep(wait_s)


def _limited(response: httpx.Response, limit_bytes: int | None) -> bytes:
    content = bytearray()
    for data in response.iter_bytes():
        content += data
        if limit_bytes is not None and len(content) > limit_bytes:
            raise PageTooLargeError
    return bytes(content)


def _points(found: Any) -> list[Json]:
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError("no points")
    return found


def _result(answer: bytes) -> Any:
    found = json.loads(answer)
    if not isinstance(found, dict) or "result" not in found:
        raise ValueError("no result")
    return found["result"]
