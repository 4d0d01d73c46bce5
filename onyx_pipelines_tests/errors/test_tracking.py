"""What a service with error tracking tells, end to end: its process, the spool, a tracker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.core.settings import ErrorSettings
from onyx_pipelines.errors.context import SentryErrorContext
from onyx_pipelines.errors.ignored import is_ignored
from onyx_pipelines.errors.sdk_scrubbing import ScrubbingOfSdk
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines.errors.system import System, container_id, memory_mb
from onyx_pipelines_tests.errors.fake_tracker import FakeTracker, event_in, unused_dsn

USER, SESSION = "p-5f2135e697d61a56", "p-180614336b07caf2"


@dataclass(frozen=True)
class Told:
    """By the service. `sent`: all that was on the wire."""

    events: list[dict[str, Any]]
    sent: str
    stderr: str

    def of(self, kind: str) -> dict[str, Any]:
        """The one event with this type of exception."""
        [found] = [
            each
            for each in self.events
            if each.get("exception", {}).get("values", [{}])[-1].get("type") == kind
        ]
        return found


def environment(folder: Path, dsn: str) -> dict[str, str]:
    ours = {
        "ONYX_SENTRY_DSN": dsn,
        "ONYX_STATE_DIR": str(folder),
        "ONYX_ERROR_PSEUDONYM_KEY": "key of the tests",
        "ONYX_ERROR_IGNORED_TYPES": "builtins.KeyError",
        "ONYX_SENTRY_ENVIRONMENT": "staging",
        # Each would show events that are not scrubbed.
        "SENTRY_SPOTLIGHT": "1",
        "SENTRY_DEBUG": "1",
    }
    return {**{k: v for k, v in os.environ.items() if not k.startswith("ONYX_")}, **ours}


def run(module: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"onyx_pipelines_tests.errors.{module}"],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with FakeTracker() as tracker:
        ended = run("tracked_service", environment(tmp_path_factory.mktemp("state"), tracker.dsn))
        sent = b"".join(tracker.envelopes).decode()
        yield Told(tracker.events, sent, ended.stderr)


def test_each_failure_is_one_event(told: Told) -> None:
    types = [each.get("exception", {}).get("values", [{}])[-1].get("type") for each in told.events]

    assert types == ["ValueError", "HTTPException", None, "OSError", "ZeroDivisionError"]


def test_what_does_not_count_is_not_told(told: Told) -> None:
    failed = [
        each for event in told.events for each in event.get("exception", {}).get("values", [])
    ]

    assert "KeyError" not in {each["type"] for each in failed}
    assert "upstream" not in {each["value"] for each in failed}


def test_a_log_record_of_an_error_is_told(told: Told) -> None:
    assert told.events[2]["logentry"]["message"] == "the index is gone"


def test_its_context_is_that_of_the_specification(told: Told) -> None:
    found = SentryErrorContext.of(told.of("ValueError"))

    assert (found.user_id, found.session_id) == (USER, SESSION)
    request = found.request_context
    assert request.url == "http://testserver/chat/1"
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"
    assert request.body_size == len(
        json.dumps({"prompt": "my secret prompt"}, separators=(",", ":"))
    )
    system = found.system_context
    assert (system.service_name, system.version) == ("api-server", "1.4.2")
    assert system.container_id == container_id()
    assert system.memory_usage_mb > 10
    assert system.cpu_usage_percent >= 0
    crumb = found.breadcrumbs[-1]
    assert (crumb.message, crumb.category, crumb.level) == ("asked by [email]", "onyx.chat", "info")
    assert crumb.timestamp.startswith("20")


def test_outside_of_a_request_the_session_is_the_process(told: Told) -> None:
    found = SentryErrorContext.of(told.of("ZeroDivisionError"))

    assert found.user_id is None
    assert found.session_id.startswith("p-")
    assert found.session_id != SESSION


def test_it_says_which_service_in_which_environment_and_release(told: Told) -> None:
    event = told.of("ValueError")

    assert event["tags"]["service"] == "api-server"
    assert event["environment"] == "staging"
    assert event["release"].startswith("onyx-pipelines@")


def test_it_shows_where_in_the_source_it_failed_without_what_nobody_may_read(told: Told) -> None:
    frame = told.of("ValueError")["exception"]["values"][-1]["stacktrace"]["frames"][-1]

    assert frame["context_line"] == "    raise ValueError(f[quoted])"
    assert frame["pre_context"][-1] == "    prompt = [content]"


@pytest.mark.parametrize("secret", ["bob", "my secret prompt", "applepie", "abcdefgh", "4711"])
def test_nothing_that_nobody_may_read_is_sent(told: Told, secret: str) -> None:
    assert secret not in told.sent


def test_the_process_says_nothing_of_it(told: Told) -> None:
    assert "entry" not in told.stderr.replace("sentry_sdk", "")
    assert told.stderr.rstrip().endswith("ZeroDivisionError: at the end")


def test_what_a_killed_process_had_captured_is_in_the_spool(tmp_path: Path) -> None:
    ended = run("killed_service", environment(tmp_path, unused_dsn()))

    captured = ended.stdout.split()
    waiting = [each.path.read_bytes() for each in Spool(tmp_path / "errors", 10**8).waiting()]
    assert ended.returncode == -9
    assert len(captured) == 20
    assert [event_in(each)["event_id"] for each in waiting] == captured


def test_a_command_that_breaks_is_reported_before_it_ends(tmp_path: Path) -> None:
    code = "from onyx_pipelines.terminal.ending import as_process; as_process(lambda: 1 / 0)"
    with FakeTracker() as tracker:
        ended = subprocess.run(
            [sys.executable, "-c", code],
            env=environment(tmp_path, tracker.dsn),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        [event] = tracker.events
    assert event["tags"]["service"] == "onyx-cli"
    assert event["exception"]["values"][-1]["type"] == "ZeroDivisionError"
    assert "This program has a fault (ZeroDivisionError)." in ended.stderr


def test_without_a_dsn_the_sdk_is_not_even_loaded(tmp_path: Path) -> None:
    code = "import sys, onyx_pipelines.definitions; print('sentry_sdk' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path, ""),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert ended.stdout.strip() == "False"


@pytest.fixture
def scrubbing() -> ScrubbingOfSdk:
    return ScrubbingOfSdk(ErrorSettings(), System("api", "1"), [])


def test_an_event_that_the_sdk_did_not_show_before_is_scrubbed_at_the_end(
    scrubbing: ScrubbingOfSdk,
) -> None:
    event = scrubbing.before_send({"event_id": "a" * 32, "message": "of bob@example.org"}, {})

    assert event["message"] == "of [email]"


def test_what_was_scrubbed_for_one_event_is_not_taken_for_another(
    scrubbing: ScrubbingOfSdk,
) -> None:
    scrubbing.scrub_event({"event_id": "a" * 32, "message": "one"})

    assert scrubbing.before_send({"event_id": "b" * 32, "message": "two"}, {})["message"] == "two"


class FailedError(Exception):
    """With whatever a client gives its errors."""

    def __init__(self, **given: object) -> None:
        super().__init__()
        vars(self).update(given)


class Response:
    status_code = 429


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FailedError(status_code=404), True),
        (FailedError(status=429), True),
        (FailedError(code=404), True),
        (FailedError(response=Response()), True),
        (FailedError(status_code=500), False),
        (FailedError(status_code="404"), False),
        (FailedError(), False),
        (KeyError(), True),
        (OSError(), False),
        (ConnectionResetError(), True),
    ],
)
def test_statuses_and_types_that_do_not_count(error: Exception, expected: bool) -> None:
    settings = ErrorSettings(error_ignored_types="LookupError, builtins.ConnectionError")

    assert is_ignored(error, settings) is expected


def test_statuses_are_those_that_alerts_do_not_count_either() -> None:
    settings = ErrorSettings(alert_thresholds={"excluded_statuses": (418,)})

    assert is_ignored(FailedError(status_code=418), settings)
    assert not is_ignored(FailedError(status_code=404), settings)


def test_memory_is_that_of_this_process() -> None:
    assert 10 < memory_mb() < 10_000
