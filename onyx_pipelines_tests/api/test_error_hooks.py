"""The receiver of webhooks: what it takes is durable, what is forged it refuses."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from onyx_pipelines.api.error_hooks import Receiving, receiver
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.errors.relay.inbox import Inbox
from onyx_pipelines.errors.relay.passes import Relay, Surroundings
from onyx_pipelines.errors.relay.severity import Criteria
from onyx_pipelines_tests.errors.relay_signals import Recorder, bugsink_body

CLIENT_SECRET = "signs-the-webhooks-of-sentry"
PATH_SECRET = "knows-the-way-of-bugsink"


@dataclass
class Receiver:
    """`waiting`: what it has taken."""

    client: TestClient
    relay: Relay
    inbox: Inbox

    @property
    def waiting(self) -> list[str]:
        return [each.signal.type for each in self.inbox.waiting()]

    def bugsink(self, secret: str, body: bytes = bugsink_body()) -> int:
        return self.client.post(f"/hooks/bugsink/{secret}", content=body).status_code

    def sentry(self, body: bytes, signature: str, resource: str = "event_alert") -> int:
        headers = {"Sentry-Hook-Signature": signature, "Sentry-Hook-Resource": resource}
        return self.client.post("/hooks/sentry", content=body, headers=headers).status_code


@pytest.fixture
def hooks(tmp_path: Path) -> Receiver:
    return receiver_in(tmp_path, CLIENT_SECRET, PATH_SECRET)


def receiving(state_dir: Path, client_secret: str, path_secret: str) -> Receiving:
    settings = load_settings(
        {
            "state_dir": state_dir,
            "sentry_client_secret": client_secret,
            "bugsink_webhook_secret": path_secret,
        }
    )
    relay = Relay(state_dir, [Recorder()], criteria=Criteria(), surroundings=Surroundings())
    return Receiving(relay, settings)


def receiver_in(state_dir: Path, client_secret: str, path_secret: str) -> Receiver:
    stack = receiving(state_dir, client_secret, path_secret)
    return Receiver(TestClient(receiver([stack])), stack.relay, Inbox(state_dir))


def signed(body: bytes, secret: str = CLIENT_SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


EVENT_ALERT = json.dumps(
    {"action": "triggered", "data": {"event": {"title": "KeyError: 'x'", "issue_id": "1"}}}
).encode()


def test_what_it_took_is_on_disk_when_it_answers(hooks: Receiver) -> None:
    assert hooks.bugsink(PATH_SECRET) == 202
    assert hooks.sentry(EVENT_ALERT, signed(EVENT_ALERT)) == 202

    assert sorted(hooks.waiting) == ["KeyError: 'x'", "OperationalError"]


def test_a_message_that_is_sent_again_is_kept_once(hooks: Receiver) -> None:
    assert [hooks.bugsink(PATH_SECRET), hooks.bugsink(PATH_SECRET)] == [202, 202]

    assert len(hooks.waiting) == 1


@pytest.mark.parametrize("secret", ["wrong", PATH_SECRET[:-1], f"{PATH_SECRET}x", "%00", "ü"])
def test_another_address_than_bugsinks_is_nowhere(hooks: Receiver, secret: str) -> None:
    assert hooks.bugsink(secret) == 404
    assert (hooks.waiting, hooks.relay.refused) == ([], 1)


@pytest.mark.parametrize(
    "signature", ["", "0" * 64, "ü", signed(b"{}"), signed(EVENT_ALERT, "another secret")]
)
def test_what_sentry_has_not_signed_is_refused(hooks: Receiver, signature: str) -> None:
    # Headers are Latin-1.
    headers = {
        b"Sentry-Hook-Signature": signature.encode("latin-1"),
        b"Sentry-Hook-Resource": b"event_alert",
    }
    answer = hooks.client.post("/hooks/sentry", content=EVENT_ALERT, headers=headers)

    assert answer.status_code == 401
    assert (hooks.waiting, hooks.relay.refused) == ([], 1)


def test_where_no_secret_is_set_nothing_is_taken(tmp_path: Path) -> None:
    hooks = receiver_in(tmp_path, "", "")

    assert hooks.sentry(EVENT_ALERT, signed(EVENT_ALERT, "")) == 401
    assert hooks.client.post("/hooks/bugsink/", content=bugsink_body()).status_code == 404
    assert hooks.waiting == []


def test_what_is_too_large_is_refused(hooks: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onyx_pipelines.api.error_hooks._LARGEST", 100)

    assert hooks.bugsink(PATH_SECRET) == 413
    assert hooks.sentry(b"x" * 101, signed(b"x" * 101)) == 413


def test_what_is_no_message_is_refused_and_says_where_to_read(hooks: Receiver) -> None:
    answer = hooks.client.post(f"/hooks/bugsink/{PATH_SECRET}", content=b"[]")

    assert answer.status_code == 422
    assert "docs/errors.md" in answer.json()["remedy"]


def test_what_is_of_no_concern_is_taken_and_left(hooks: Receiver) -> None:
    assert hooks.sentry(b"{}", signed(b"{}"), "installation") == 202
    assert hooks.waiting == []


def test_a_full_inbox_asks_for_another_try(
    hooks: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onyx_pipelines.errors.relay.inbox._MOST", 0)

    answer = hooks.client.post(f"/hooks/bugsink/{PATH_SECRET}", content=bugsink_body())

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


def test_a_secret_of_bugsinks_address_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(Exception, match="at least 20"):
        load_settings({"bugsink_webhook_secret": "short"})


def test_of_several_stacks_a_webhook_is_that_one_s_whose_secret_it_has(tmp_path: Path) -> None:
    blue = receiving(tmp_path / "blue", "signs-for-blue", "way-of-blue-and-no-other")
    green = receiving(tmp_path / "green", "signs-for-green", "way-of-green-and-no-other")
    hooks = Receiver(TestClient(receiver([blue, green])), green.relay, Inbox(tmp_path / "green"))

    assert hooks.bugsink("way-of-green-and-no-other") == 202
    assert hooks.sentry(EVENT_ALERT, signed(EVENT_ALERT, "signs-for-blue")) == 202
    assert hooks.bugsink("way-of-nobody") == 404

    assert hooks.waiting == ["OperationalError"]
    assert [each.signal.type for each in Inbox(tmp_path / "blue").waiting()] == ["KeyError: 'x'"]
    assert (blue.relay.refused, green.relay.refused) == (1, 1)
