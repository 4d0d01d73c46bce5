"""What Sentry and Bugsink send, and what is understood of it; what is forged or none is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from onyx_pipelines.errors.relay import bugsink, sentry
from onyx_pipelines.errors.relay.signal import MessageError, Reason, Source
from onyx_pipelines_tests.errors.relay_signals import NOW, bugsink_body

SECRET = SecretStr("the client secret of the integration")
EVENT = {
    "event_id": "a" * 32,
    "issue_id": "1117540176",
    "issue_url": "https://sentry.example/api/0/issues/1117540176/",
    "web_url": "https://sentry.example/organizations/o/issues/1117540176/events/a/",
    "title": "KeyError: 'tenant'",
    "culprit": "suna.api in chat",
    "level": "error",
    "release": "suna@1.4.2",
    "environment": "production",
    "datetime": "2026-11-27T13:59:30Z",
    "project": 7,
    "tags": [["level", "error"], ["tenant", "gold"], "nonsense"],
    "exception": {
        "values": [
            {"type": "ValueError", "value": "the cause"},
            {
                "type": "KeyError",
                "value": "'tenant'",
                "stacktrace": {
                    "frames": [
                        {"module": "suna.api", "function": "chat", "in_app": True},
                        {"module": "dict", "function": "get", "in_app": False},
                    ]
                },
            },
        ]
    },
}


def body(data: dict[str, Any], action: str = "triggered") -> bytes:
    return json.dumps({"action": action, "data": data}).encode()


def test_an_issue_alert_of_sentry_is_understood() -> None:
    found = sentry.signal_of(
        body({"event": EVENT, "triggered_rule": "Errors of gold tenants"}), "event_alert", NOW
    )

    assert found is not None
    assert (found.type, found.message, found.culprit) == (
        "KeyError",
        "'tenant'",
        "suna.api in chat",
    )
    assert (found.release, found.level, found.issue) == ("suna@1.4.2", "error", "1117540176")
    assert found.link == EVENT["web_url"]
    assert found.tags == {"level": "error", "tenant": "gold"}
    assert found.said == "Errors of gold tenants"


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("created", Reason.NEW),
        ("unresolved", Reason.REGRESSED),
        ("resolved", Reason.RESOLVED),
        ("assigned", None),
    ],
)
def test_what_becomes_of_an_issue_of_sentry(action: str, reason: Reason | None) -> None:
    issue = {
        "id": "1",
        "title": "KeyError: 'tenant'",
        "metadata": {"type": "KeyError", "value": "'tenant'"},
        "project": {"slug": "suna"},
        "count": "12",
        "statusDetails": {"inRelease": "suna@1.4.3"},
    }

    found = sentry.signal_of(body({"issue": issue}, action), "issue", NOW)

    assert (found and found.reason) == reason
    if found and found.reason is Reason.RESOLVED:
        assert (found.said, found.count) == ("suna@1.4.3", 12)


@pytest.mark.parametrize(
    ("action", "level", "reason"),
    [
        ("critical", "fatal", Reason.ALERT),
        ("warning", "warning", Reason.ALERT),
        ("resolved", "info", Reason.RESOLVED),
    ],
)
def test_a_metric_alert_of_sentry_and_its_end_are_one_issue(
    action: str, level: str, reason: Reason
) -> None:
    data = {
        "description_title": f"{action}: too many errors",
        "description_text": "1000 events in the last 10 minutes",
        "metric_alert": {"id": "4", "alert_rule": {"id": "9", "name": "Too many errors"}},
    }

    found = sentry.signal_of(body(data, action), "metric_alert", NOW)

    assert found is not None
    assert (found.level, found.reason) == (level, reason)
    assert found.fingerprint == ("metric alert", "9")


def test_an_installation_is_no_error() -> None:
    assert sentry.signal_of(body({}, "created"), "installation", NOW) is None


def test_a_signature_is_that_of_these_bytes_with_this_secret() -> None:
    right = hmac.new(SECRET.get_secret_value().encode(), b"{}", hashlib.sha256).hexdigest()

    assert sentry.is_signed(b"{}", right, SECRET)
    assert not sentry.is_signed(b"{ }", right, SECRET)
    assert not sentry.is_signed(b"{}", right[:-1], SECRET)
    assert not sentry.is_signed(b"{}", "", SECRET)
    assert not sentry.is_signed(b"{}", right, SecretStr("another"))


def test_without_a_secret_nothing_is_signed() -> None:
    feigned = hmac.new(b"", b"{}", hashlib.sha256).hexdigest()

    assert not sentry.is_signed(b"{}", feigned, SecretStr(""))


@pytest.mark.parametrize(
    ("told", "reason"),
    [("NEW", Reason.NEW), ("REGRESSED", Reason.REGRESSED), ("UNMUTED", Reason.UNMUTED)],
)
def test_an_issue_of_bugsink_is_understood(told: str, reason: Reason) -> None:
    found = bugsink.signal_of(bugsink_body(alert_reason=told, digested_event_count=3), NOW)

    assert (found.source, found.reason, found.service) == (Source.BUGSINK, reason, "suna")
    assert (found.type, found.message) == ("OperationalError", "no route to host")
    assert (found.culprit, found.count) == ("/api/chat", 3)
    assert found.link == "http://127.0.0.1:8000/issues/issue/497f6eca/"


def test_bugsinks_test_message_is_of_now_and_says_what_it_is() -> None:
    found = bugsink.signal_of(
        bugsink_body(alert_reason="TEST", last_seen="2024-01-15T10:30:00Z"), NOW
    )

    assert (found.at, found.said) == (NOW, "This is a test of the webhook.")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "http://u:p@evil/", "", 7, "http://["])
def test_an_address_that_is_none_of_the_web_is_no_link(address: object) -> None:
    assert not bugsink.signal_of(bugsink_body(url=address), NOW).link


def test_a_moment_that_is_none_or_ahead_is_now() -> None:
    for told in ("tomorrow", "2999-01-01T00:00:00Z", None, 10**300):
        assert bugsink.signal_of(bugsink_body(last_seen=told), NOW).at == NOW


@pytest.mark.parametrize("sent", [b"", b"[]", b"{", b"null", b'{"id": ""}', b"[" * 10**5])
def test_what_is_no_message_is_refused(sent: bytes) -> None:
    with pytest.raises(MessageError):
        bugsink.signal_of(sent, NOW)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from(["event_alert", "issue", "metric_alert", "other"]),
    st.sampled_from(["triggered", "created", "critical", "resolved"]),
    st.dictionaries(
        st.sampled_from(["event", "issue", "metric_alert", "description_title"]),
        st.dictionaries(st.sampled_from(sorted({*EVENT, "metadata", "id"})), json_values)
        | json_values,
    ),
)
def test_whatever_sentry_is_said_to_send_is_understood_or_refused(
    resource: str, action: str, data: dict[str, Any]
) -> None:
    try:
        found = sentry.signal_of(body(data, action), resource, NOW)
    except MessageError:
        return

    assert found is None or found.at <= NOW
