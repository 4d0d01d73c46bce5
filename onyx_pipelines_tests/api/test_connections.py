"""Who says nothing, or says it slowly, keeps nobody from being answered: real sockets against the
real server."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.connections import Limits
from onyx_pipelines.api.problems import MEDIA_TYPE
from onyx_pipelines.api.tokens import Scope
from onyx_pipelines_tests.api.conftest import Api, make_api
from onyx_pipelines_tests.api.serving import served
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

HEALTH = b"GET /api/health HTTP/1.1\r\nHost: x\r\n"
# Only what the test is about is quick: on a busy machine everything else takes its time.
QUICK_HEADERS = Limits(headers_s=0.4)
QUICK_BODY = Limits(body_s=0.4)
QUICK_ANSWER = Limits(answer_s=0.4)


@pytest.fixture
def own(volume_host: HostUnderTest) -> Api:
    return make_api(volume_host)


@contextmanager
def connected(server: str, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    host, _, port = server.partition(":")
    with socket.create_connection((host, int(port)), timeout=10, source_address=(source, 0)) as it:
        yield it


def everything(connection: socket.socket) -> bytes:
    """Until the server ends it."""
    found = b""
    while True:
        try:
            more = connection.recv(65536)
        except ConnectionResetError:
            return found
        if not more:
            return found
        found += more


def problem(raw: bytes) -> dict[str, object]:
    head, _, body = raw.partition(b"\r\n\r\n")
    assert f"content-type: {MEDIA_TYPE}".encode() in head.lower()
    found: dict[str, object] = json.loads(body)
    return found


def health(server: str) -> int:
    return httpx.get(f"http://{server}/api/health", trust_env=False, timeout=25).status_code


def dribble(connection: socket.socket, text: bytes, *, for_s: float) -> None:
    """A byte now and then, until the server has had enough."""
    deadline = time.monotonic() + for_s
    for byte in text:
        if time.monotonic() > deadline:
            return
        try:
            connection.sendall(bytes([byte]))
        except OSError:
            return
        time.sleep(0.02)


def test_210_silent_connections_are_nobody_elses_trouble(own: Api) -> None:
    with served(own.app) as server, ExitStack() as stack:
        for _ in range(210):
            stack.enter_context(connected(server))

        assert health(server) == 200


def test_more_than_there_is_room_for_make_room_for_who_asks(own: Api) -> None:
    with served(own.app, Limits(connections=20, per_address=10)) as server, ExitStack() as stack:
        silent = [stack.enter_context(connected(server)) for _ in range(40)]

        assert [health(server) for _ in range(5)] == [200] * 5
        assert everything(silent[0]) == b""


def test_one_address_does_not_take_the_room_of_another(own: Api) -> None:
    with served(own.app, Limits(connections=100, per_address=10)) as server, ExitStack() as stack:
        other = stack.enter_context(connected(server, "127.0.0.2"))
        for _ in range(30):
            stack.enter_context(connected(server))

        other.sendall(HEALTH + b"Connection: close\r\n\r\n")
        assert everything(other).startswith(b"HTTP/1.1 200")


def test_who_is_being_answered_is_not_put_out_and_who_comes_then_is_told(
    own: Api,
) -> None:
    body = b'{"reason": "x"}'
    slow = (
        b"PUT /api/backup/sets/00000000-0000-4000-8000-000000000000/hold HTTP/1.1\r\nHost: x\r\n"
        + f"Authorization: Bearer {own.tokens[Scope.OPERATE]}\r\n".encode()
        + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
        + b"Connection: close\r\n\r\n"
    )
    with served(own.app, Limits(connections=4, per_address=2)) as server, ExitStack() as stack:
        busy = [stack.enter_context(connected(server)) for _ in range(2)]
        for each in busy:
            each.sendall(slow)
        newcomer = stack.enter_context(connected(server))
        time.sleep(0.1)
        newcomer.sendall(HEALTH + b"\r\n")

        told = everything(newcomer)
        for each in busy:
            each.sendall(body)
        answers = [everything(each) for each in busy]

    assert told.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in told.lower()
    assert "Too many connections" in str(problem(told)["detail"])
    assert [each.split(b" ")[1] for each in answers] == [b"404", b"404"]


def test_who_sends_nothing_is_hung_up_on(own: Api) -> None:
    with served(own.app, QUICK_HEADERS) as server, connected(server) as silent:
        assert everything(silent) == b""


def test_headers_that_drip_in_have_an_end(own: Api) -> None:
    with served(own.app, QUICK_HEADERS) as server, connected(server) as slow:
        dribble(slow, HEALTH + b"X-Slow: " + b"a" * 5000, for_s=5)
        found = everything(slow)

    assert found.startswith(b"HTTP/1.1 408")
    assert "headers of the request did not arrive within 0.4 s" in str(problem(found)["detail"])


def test_a_body_that_drips_in_has_an_end(own: Api) -> None:
    head = (
        b"POST /api/backup/trigger HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 60000\r\n"
        + f"Authorization: Bearer {own.tokens[Scope.OPERATE]}\r\n\r\n".encode()
    )
    with served(own.app, QUICK_BODY) as server, connected(server) as slow:
        slow.sendall(head)
        dribble(slow, b" " * 5000, for_s=5)
        found = everything(slow)
        assert health(server) == 200

    assert found.startswith(b"HTTP/1.1 408")
    assert "body of the request" in str(problem(found)["detail"])


def test_a_body_nobody_is_to_read_is_not_waited_for(own: Api) -> None:
    head = b"POST /api/backup/trigger HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
    with served(own.app) as server, connected(server) as slow:
        slow.sendall(head + b" ")
        found = slow.recv(65536)

    assert found.startswith(b"HTTP/1.1 401")


def test_who_does_not_take_the_answer_is_hung_up_on(own: Api, volume_host: HostUnderTest) -> None:
    page = volume_host.root / "reports" / "load-test" / "latest" / "report.html"
    page.parent.mkdir(parents=True)
    page.write_bytes(b"x" * 50_000_000)
    request = (
        b"GET /api/reports/load-test/latest HTTP/1.1\r\nHost: x\r\n"
        + f"Authorization: Bearer {own.tokens[Scope.READ]}\r\n\r\n".encode()
    )
    with served(own.app, QUICK_ANSWER) as server, connected(server) as slow:
        slow.sendall(request)
        time.sleep(1.5)

        assert len(everything(slow)) < 50_000_000


def test_a_kept_connection_answers_many_requests_and_has_its_time_for_each(own: Api) -> None:
    with served(own.app, Limits(headers_s=3)) as server, connected(server) as kept:
        found = b""
        for answers in range(1, 5):
            kept.sendall(HEALTH + b"\r\n")
            while found.count(b'{"status"') < answers:
                found += kept.recv(65536)
            time.sleep(0.9)

    assert found.count(b"HTTP/1.1 200") == 4


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/9\r\n\r\n"])
def test_what_is_no_request_is_a_problem_too(own: Api, sent: bytes) -> None:
    with served(own.app) as server, connected(server) as other:
        other.sendall(sent + b"\r\n\r\n")
        found = everything(other)

    assert found.startswith(b"HTTP/1.1 400")
    assert problem(found)["status"] == 400


def test_health_is_answered_while_every_thread_waits_for_a_store(
    volume_host: HostUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty threads serve everything else."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as never_answers:
        address = f"http://127.0.0.1:{never_answers.getsockname()[1]}"
        volume_host.set(PROMETHEUS_URL=address, API_REQUEST_TIMEOUT_S=30)
        api = make_api(volume_host)
        request = (
            b"GET /api/metrics/summary HTTP/1.1\r\nHost: x\r\n"
            + f"Authorization: Bearer {api.tokens[Scope.READ]}\r\n\r\n".encode()
        )
        with served(create_app(volume_host.settings)) as server, ExitStack() as stack:
            waiting = [stack.enter_context(connected(server)) for _ in range(60)]
            for each in waiting:
                each.sendall(request)

            status = health(server)
            answered, _, _ = select.select(waiting, [], [], 0)
            never_answers.close()

    assert status == 200
    assert answered == []
