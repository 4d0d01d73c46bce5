"""What a real server answered, the stand-in answers: the same status, kind, and keys.

Where it does not, it is on purpose: the exceptions here are the table in docs/qdrant_standin.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines_tests.recorded_qdrant import DATA, VERSIONS

KEYS = {"admin": "the-admins-key", "read-only": "the-readers-key", "wrong": "another-key"}
POINTS = [
    {"id": number, "vector": [number + 1, 0.5, -0.5, 1], "payload": {"a": number}}
    for number in range(30)
]
FILES = {
    "upload, cut": lambda snapshot: snapshot[: len(snapshot) // 2],
    "upload, nonsense": lambda _: b"nonsense" * 1000,
}
# A request counts by what was asked before.
COUNTED = "responses"
# The other version answered otherwise; the stand-in answers as the newer one.
OF_1_16 = {
    "info": {"prevent_unoptimized", "update_queue"},
    "keeps its own configuration": {"prevent_unoptimized", "update_queue"},
    "telemetry, read-only": {"resharding_enabled"},
}
OTHER_STATUS_IN_1_16 = {"recover from a file outside": 403}
OTHER_TYPE_IN_1_16 = {"read-only uploads"}


class Replay:
    """Sends recorded requests to the stand-in, with its own names in the place of recorded ones."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._names: dict[str, str] = {}
        self._snapshot = b""

    def send(self, line: dict[str, Any]) -> httpx.Response:
        response = self._send(line)
        # The recorder asked again until the rate was reached.
        for _ in range(10):
            if line["status"] != 429 or response.status_code == 429:
                break
            response = self._send(line)
        self._learn(line, response)
        return response

    def _send(self, line: dict[str, Any]) -> httpx.Response:
        asked = line["request"]
        headers = {**asked.get("headers", {}), "accept-encoding": "identity"}
        if asked["key"] != "none":
            headers["api-key"] = KEYS[asked["key"]]
        headers = {name: self._named(value) for name, value in headers.items()}
        path = self._named(asked["path"])
        return self._client.request(
            asked["method"], path, headers=headers, **self._body(line, asked)
        )

    def _body(self, line: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
        if "json" in asked:
            return {"json": asked["json"]}
        if line["what"] == "points":
            return {"json": {"points": POINTS}}
        if line["what"] == "bad JSON":
            return {"content": b'{"a":'}
        if line["what"] == "upload, no file":
            return {"files": {"other": ("", b"")}}
        if "/snapshots/upload" in asked["path"]:
            content = FILES.get(line["what"], lambda whole: whole)(self._snapshot)
            return {"files": {"snapshot": ("a.snapshot", content)}}
        return {}

    def _learn(self, line: dict[str, Any], response: httpx.Response) -> None:
        if line["what"] == "make a snapshot":
            recorded, ours = (json.loads(text) for text in (line["body"], response.text))
            self._names[recorded["result"]["name"]] = ours["result"]["name"]
        elif line["what"] == "download":
            self._names[line["headers"]["etag"]] = response.headers["etag"]
            self._snapshot = response.content

    def _named(self, text: str) -> str:
        for recorded, ours in self._names.items():
            text = text.replace(recorded, ours)
        return text


@pytest.fixture(params=VERSIONS, scope="module")
def answered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[tuple[dict[str, Any], httpx.Response]]]]:
    """A version, its recorded lines, and what the stand-in answers to each."""
    text = (DATA / request.param / "http" / "answers.json").read_text(encoding="utf-8")
    keys = {"api_key": KEYS["admin"], "read_only_key": KEYS["read-only"]}
    with (
        QdrantStandIn(tmp_path_factory.mktemp("replay") / "standin", **keys) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client,
    ):
        replay = Replay(client)
        yield request.param, [(line, replay.send(line)) for line in json.loads(text)]


def keys_of(value: Any) -> Any:
    """The keys of objects, at every depth; of a list, of its first element."""
    if isinstance(value, dict):
        return {key: keys_of(each) if key != COUNTED else None for key, each in value.items()}
    return [keys_of(each) for each in value[:1]] if isinstance(value, list) else None


def without(value: Any, left_out: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: without(each, left_out) for key, each in value.items() if key not in left_out}
    return value


def test_each_recorded_request_gets_the_status_the_kind_and_the_keys_that_a_server_gave(
    answered: tuple[str, list[tuple[dict[str, Any], httpx.Response]]],
) -> None:
    version, lines = answered
    older = version == "1.16.3"
    different = []
    for line, response in lines:
        what = line["what"]
        status = OTHER_STATUS_IN_1_16.get(what, line["status"]) if older else line["status"]
        if response.status_code != status:
            different.append((what, "status", status, response.status_code, response.text[:200]))
            continue
        if older and what in OTHER_TYPE_IN_1_16:
            continue
        kind = line["headers"].get("content-type")
        if response.headers.get("content-type") != kind:
            different.append((what, "type", kind, response.headers.get("content-type")))
        elif kind == "application/json":
            left_out = OF_1_16.get(what, set()) if older else set()
            wanted, found = (
                without(keys_of(json.loads(each)), left_out)
                for each in (line["body"], response.text)
            )
            if wanted != found:
                different.append((what, "keys", wanted, found))
        different += [
            (what, header, line["headers"].get(header))
            for header in ("retry-after", "etag", "content-range", "content-disposition")
            if (header in line["headers"]) != (header in response.headers)
        ]

    assert different == []
    assert len(lines) == 65


def test_what_a_server_says_of_its_limits_the_stand_in_says_in_the_same_words(
    answered: tuple[str, list[tuple[dict[str, Any], httpx.Response]]],
) -> None:
    said = {
        line["what"]: (json.loads(line["body"])["status"], response.json()["status"])
        for line, response in answered[1]
        if line["what"].startswith("strict: ") and line["status"] in (400, 429)
    }

    assert len(said) == 5
    assert [what for what, (theirs, ours) in said.items() if theirs != ours] == []
