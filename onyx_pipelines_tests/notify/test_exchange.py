"""A limit holds for the whole of an exchange, and what servers ask for is read with care."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from onyx_pipelines.core.retry_after import LONGEST_ASKED_S, asked_wait_s
from onyx_pipelines.notify.backoff import next_try_s
from onyx_pipelines.notify.channels.channel import Channel, DeliveryError
from onyx_pipelines.notify.channels.mail import MailChannel, MailServer, SmtpSecurity
from onyx_pipelines.notify.channels.other import OtherChannel
from onyx_pipelines.notify.channels.slack import SlackChannel
from onyx_pipelines.notify.exchange import post
from onyx_pipelines.notify.routing import routes
from onyx_pipelines_tests.notify.servers import dribbling_server, webhook
from onyx_pipelines_tests.notify.test_channels import EVENT
from onyx_pipelines_tests.waiting import PATIENCE_S

NOW = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
LIMIT_S = 1.0
FAILED = routes(["failed"])


def mail(port: int, security: SmtpSecurity) -> MailChannel:
    server = MailServer("127.0.0.1", port, security)
    return MailChannel(server, "onyx@example.org", "ops@example.org", FAILED, limit_s=LIMIT_S)


def slack(port: int, _: object) -> SlackChannel:
    return SlackChannel(SecretStr(f"http://127.0.0.1:{port}/x"), FAILED, limit_s=LIMIT_S)


def tls_slack(port: int, _: object) -> SlackChannel:
    return SlackChannel(SecretStr(f"https://127.0.0.1:{port}/x"), FAILED, limit_s=LIMIT_S)


def other(port: int, _: object) -> OtherChannel:
    # The start of its process is in the limit too.
    return OtherChannel(SecretStr(f"json://127.0.0.1:{port}/x"), FAILED, limit_s=3 * LIMIT_S)


@pytest.mark.parametrize(
    ("greeting", "make", "security"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", slack, None),
        (b"HTTP/1.1 200 OK\r\n\r\n", slack, None),
        (b"\x16\x03\x03\x00\xff", tls_slack, None),
        (b"HTTP/1.1 200 OK\r\nX: ", other, None),
        (b"220 ", mail, SmtpSecurity.NONE),
        (b"220 here\r\n250-", mail, SmtpSecurity.STARTTLS),
        (b"\x16\x03\x03\x00\xff", mail, SmtpSecurity.TLS),
    ],
)
def test_a_server_that_says_a_byte_in_a_while_is_cut_off(
    greeting: bytes, make: object, security: SmtpSecurity | None
) -> None:
    with dribbling_server(greeting) as port:
        channel: Channel = make(port, security)  # type: ignore[operator]  # one of several makers
        begun = time.monotonic()
        with pytest.raises(DeliveryError, match=r"was not done after|does not answer") as caught:
            channel.send([EVENT])

    assert caught.value.transient
    # It would go on for ever; a loaded machine may take its time.
    assert time.monotonic() - begun < 20


def test_an_answer_without_end_is_not_kept() -> None:
    with dribbling_server(b"HTTP/1.1 200 OK\r\n\r\n", every_s=0.00001) as port:
        answer = post("It", f"http://127.0.0.1:{port}/", b"", limit_s=PATIENCE_S)

    assert len(answer.text) == 4096


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        (" 7.5 ", 7.5),
        ("0", 0.0),
        ("", None),
        ("inf", None),
        ("nan", None),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("9" * 5000, LONGEST_ASKED_S),
        ("86400", LONGEST_ASKED_S),
        ("Tue, 03 Nov 2026 02:01:00 GMT", 60.0),
        ("Tue, 03 Nov 2020 02:01:00 GMT", 0.0),
        ("Tue, 03 Nov 2099 02:01:00 GMT", LONGEST_ASKED_S),
        ("Tue, 99 Nov 2026 02:01:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -1200", LONGEST_ASKED_S),
    ],
)
def test_a_wait_that_is_asked_for_is_read_and_bounded(header: str, wait: float | None) -> None:
    assert asked_wait_s(header, NOW) == wait


@given(st.text())
def test_no_header_is_too_odd(header: str) -> None:
    wait = asked_wait_s(header, NOW)

    assert wait is None or 0 <= wait <= LONGEST_ASKED_S


@given(st.floats() | st.none())
def test_no_wait_is_too_odd(wait: float | None) -> None:
    assert 30 <= next_try_s(1, wait) <= LONGEST_ASKED_S


def test_slack_that_asks_for_an_endless_wait_is_tried_again_in_time() -> None:
    with webhook() as hook:
        hook.answers = [(429, {"Retry-After": "inf"}, 0.0)]
        channel = SlackChannel(SecretStr(hook.url), FAILED)
        with pytest.raises(DeliveryError) as caught:
            channel.send([EVENT])

    assert caught.value.transient
    assert caught.value.retry_after_s is None
