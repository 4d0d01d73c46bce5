"""A server that limits its rate is waited for as it asks: up to a limit for each collection, and up
to one for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from pydantic import SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.qdrant.collection_api import CollectionApi
from onyx_pipelines.sources.qdrant.examining import describe_target, may_manage
from onyx_pipelines.sources.qdrant.failures import BusyError, QdrantErrors
from onyx_pipelines.sources.qdrant.patience import Patience
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


@pytest.mark.parametrize("status", [200, 401, 404, 500, 503])
def test_other_answers_are_not_waited_for(status: int) -> None:
    answer = httpx.Response(status, headers={"retry-after": "1"})

    assert Patience().until_next(answer, "a") is None


NOW = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)


def busy(retry_after: str = "", date: str = "") -> httpx.Response:
    said = {"retry-after": retry_after, "date": date}
    return httpx.Response(429, headers={name: value for name, value in said.items() if value})


def test_a_date_is_waited_for_by_the_servers_own_clock() -> None:
    date = format_datetime(NOW, usegmt=True)
    later = format_datetime(NOW + timedelta(seconds=90), usegmt=True)

    assert Patience().until_next(busy(later, date), "a") == 90


def test_a_date_of_a_server_that_does_not_tell_its_own_is_waited_for_by_ours() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)

    waited = Patience().until_next(busy(later), "a")

    assert waited is not None
    assert 0 < waited <= 300


@pytest.mark.parametrize("ago_s", [0, 1, 86400])
def test_a_date_that_is_over_does_not_mean_without_end(ago_s: int) -> None:
    date = format_datetime(NOW, usegmt=True)
    then = format_datetime(NOW - timedelta(seconds=ago_s), usegmt=True)

    assert Patience().until_next(busy(then, date), "a") == 0.1


@pytest.mark.parametrize("header", ["", "soon", "-5", "nan"])
def test_a_server_that_does_not_say_when_is_asked_less_and_less_often_up_to_the_limit(
    header: str,
) -> None:
    patience = Patience(each_s=100)

    waits = [patience.until_next(busy(header), "a") for _ in range(10)]

    assert waits == [0.5, 0.5, 1, 2, 4, 8, 16, 30, 30, None]


def test_what_the_rate_will_never_allow_is_not_waited_for() -> None:
    said = "Read rate limit exceeded, request larger than rate limiter capacity, please try to"

    assert Patience().until_next(busy(), "a", said) is None
    assert Patience().until_next(busy("5"), "a", said) is None


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_call_about_snapshots_waits_where_the_server_does_not_say_how_long(
    call: Callable[[SnapshotApi], object],
) -> None:
    server = Busy(times=1, retry_after="")

    ask(server, call)

    assert server.asked == 2


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
        ask(Busy(times=1_000, retry_after=""), may_manage, Patience(each_s=0))


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


class TestWhereSomebodyLooksOn:
    """`doctor` waits for a server that limits its rate, and not for long."""

    def test_a_server_that_is_backed_up_is_waited_for(
        self, faulty_server: QdrantServer, standin: QdrantStandIn, make_source: MakeSource
    ) -> None:
        standin.set_faults(busy_times=1, busy_path="/")

        assert "Qdrant" in make_source(faulty_server).describe()

    def test_but_only_up_to_its_limit(
        self, faulty_server: QdrantServer, standin: QdrantStandIn, make_source: MakeSource
    ) -> None:
        standin.set_faults(busy_times=1_000, busy_path="/")

        with pytest.raises(BusyError, match="HTTP 429"):
            make_source(faulty_server, look_patience_s=0.5).describe()

    def test_nor_is_one_to_restore_into(
        self, faulty_server: QdrantServer, standin: QdrantStandIn
    ) -> None:
        standin.set_faults(busy_times=1_000, busy_path="/")

        with pytest.raises(BusyError, match="HTTP 429"):
            describe_target(faulty_server.url, SecretStr(""), None, patience_s=0.5)
