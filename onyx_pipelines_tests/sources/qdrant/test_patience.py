"""A server that limits its rate is waited for as it asks: up to a limit for each collection, and up
to one for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from pydantic import SecretStr

from onyx_pipelines.errors import SourceError
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.qdrant.collection_api import CollectionApi
from onyx_pipelines.sources.qdrant.examining import may_manage
from onyx_pipelines.sources.qdrant.failures import BusyError, QdrantErrors
from onyx_pipelines.sources.qdrant.patience import Patience, asked_wait_s
from onyx_pipelines.sources.qdrant.snapshot_api import ServerSnapshot, SnapshotApi
from onyx_pipelines_tests.fixtures_qdrant import (
    MakeSource,
    QdrantServer,
    back_up,
)

SNAPSHOT = ServerSnapshot("a", "a-1.snapshot", 3, None)
CALLS: dict[str, Callable[[SnapshotApi], object]] = {
    "version": lambda api: api.version(),
    "list": lambda api: api.list("a"),
    "create": lambda api: api.create("a", timeout_s=5),
    "delete": lambda api: api.delete("a", "a-1.snapshot"),
    "download": lambda api: read(api),
}
ANSWER = {
    "version": "1.18.3",
    "result": {"name": "a-1.snapshot", "size": 3, "points": []},
}


def read(api: SnapshotApi) -> bytes:
    with api.download(SNAPSHOT) as response:
        return response.read()


class Busy:
    """Refuses so many requests for their rate, and answers the next."""

    def __init__(self, times: int, retry_after: str = "0.1") -> None:
        self._left = times
        self._headers = {"retry-after": retry_after} if retry_after else {}
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self._left:
            self._left -= 1
            said = iter([b'{"status": {"error": "busy"}}'])
            return httpx.Response(429, headers=self._headers, content=said)
        if request.method == "GET" and request.url.path.endswith("/snapshots"):
            return httpx.Response(200, json={"result": []})
        return httpx.Response(200, json=ANSWER)


@contextmanager
def client_of(server: Busy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url="http://qdrant", transport=httpx.MockTransport(server)) as client:
        yield client


def ask(
    server: Busy, call: Callable[[SnapshotApi], object], patience: Patience | None = None
) -> None:
    errors = QdrantErrors("http://qdrant", SecretStr(""))
    with client_of(server) as client:
        call(SnapshotApi(client, errors, patience or Patience()))


def test_one_collection_does_not_use_up_what_another_has() -> None:
    patience = Patience(each_s=10, whole_s=100)

    assert patience.take(10, "a")
    assert not patience.take(0.1, "a")
    assert patience.take(10, "b")


def test_all_of_them_together_have_a_limit() -> None:
    patience = Patience(each_s=10, whole_s=25)

    assert [patience.take(10, name) for name in "abc"] == [True, True, False]
    assert patience.take(5, "c")


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_what_is_no_time_is_not_waited(seconds: float) -> None:
    assert not Patience().sleep(seconds, "a")


@pytest.mark.parametrize(("status", "header"), [(503, "1"), (429, ""), (429, "soon")])
def test_other_answers_and_those_that_do_not_say_when_are_not_waited_for(
    status: int, header: str
) -> None:
    headers = {"retry-after": header} if header else {}

    assert asked_wait_s(httpx.Response(status, headers=headers)) is None


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_call_about_snapshots_waits_as_the_server_asks(
    call: Callable[[SnapshotApi], object],
) -> None:
    server = Busy(times=3)

    ask(server, call)

    assert server.asked == 4


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_and_not_for_longer_than_there_is_patience(
    call: Callable[[SnapshotApi], object],
) -> None:
    server = Busy(times=1_000)

    with pytest.raises(BusyError, match="HTTP 429 busy") as caught:
        ask(server, call, Patience(each_s=0.35))

    assert caught.value.transient
    assert server.asked == 4


def test_a_server_that_says_at_once_is_not_asked_without_end() -> None:
    with pytest.raises(BusyError):
        ask(Busy(times=1_000, retry_after="0"), CALLS["list"], Patience(each_s=0.35))


def test_reading_points_and_snapshots_share_what_there_is() -> None:
    patience = Patience(each_s=10, whole_s=10)
    errors = QdrantErrors("http://qdrant", SecretStr(""))
    with client_of(Busy(times=1, retry_after="0")) as client:
        CollectionApi(client, errors, timeout_s=5, patience=patience).query("a", {})

    with pytest.raises(BusyError):
        ask(Busy(times=1, retry_after="9.95"), CALLS["list"], patience)


def test_a_busy_server_says_nothing_about_a_key() -> None:
    with pytest.raises(BusyError):
        ask(Busy(times=1, retry_after=""), may_manage)


def test_a_backup_waits_for_it(
    faulty_server: QdrantServer,
    faulty_collection: str,
    standin: QdrantStandIn,
    make_source: MakeSource,
) -> None:
    standin.set_faults(busy_times=2)

    _, report = back_up(make_source(faulty_server, faulty_collection))

    assert (report.missing, report.warnings) == ({}, ())


def test_a_backup_of_many_collections_waits_no_longer_than_for_all(
    faulty_server: QdrantServer,
    faulty_collection: str,
    standin: QdrantStandIn,
    make_source: MakeSource,
) -> None:
    standin.set_faults(busy_times=100)

    with pytest.raises(SourceError, match="HTTP 429"):
        back_up(make_source(faulty_server, faulty_collection, whole_patience_s=1.5))
