"""From an application in Python and one in Node, through a real Bugsink that is stopped meanwhile,
to a digest in a mailbox: nothing is lost, nothing comes twice, nothing secret leaves."""

from __future__ import annotations

import email
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.errors.digest import newest_day, window_of
from onyx_pipelines.errors.digest_making import digest_day
from onyx_pipelines.errors.spool import spool_status
from onyx_pipelines.sandbox.app.server import SandboxApp
from onyx_pipelines.sandbox.errors.bugsink_server import BugsinkServer
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines_tests.application_environments import environment_of, is_to_be_had
from onyx_pipelines_tests.errors.node_service import (
    NodeService,
    installed_module,
    node_service,
)
from onyx_pipelines_tests.fixtures_bugsink import ask
from onyx_pipelines_tests.notify.servers import mail_host
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(900)]

KEY = "a-key-of-pseudonyms-that-both-have"
SECRETS = ("anna@example.org", "sk-4f1c0ffee4f1c0ffee4f1c0ffee", "session-of-anna")
QUESTION = f"I am {SECRETS[0]} and my key is {SECRETS[1]}"


@dataclass(frozen=True)
class Stack:
    """Two services that report to one tracker, each with a spool of its own."""

    bugsink: BugsinkServer
    app: SandboxApp
    app_state: Path
    node: NodeService
    node_spool: Path

    def fail_in_python(self) -> httpx.Response:
        """One request that breaks."""
        return httpx.post(
            f"{self.app.url}/api/chat/send-message",
            json={"message": QUESTION, "session_id": SECRETS[2]},
            headers={"x-user-id": SECRETS[0], "Authorization": f"Bearer {SECRETS[1]}"},
            trust_env=False,
            timeout=30,
        )

    def fail_in_node(self, number: int) -> None:
        """The SDK drops one that is like the one before."""
        self.node.capture(
            f"planted {number} for {SECRETS[0]}",
            scope={
                "user": {"id": SECRETS[0], "session_id": SECRETS[2]},
                "breadcrumbs": [{"category": "rag", "message": f"asked with {SECRETS[1]}"}],
            },
        )

    def events(self) -> list[dict[str, Any]]:
        """All that the tracker has, whole."""
        issues = ask(self.bugsink, "issues/")["results"]
        listed = [ask(self.bugsink, "events/", issue=issue["id"])["results"] for issue in issues]
        return [ask(self.bugsink, f"events/{each['id']}/") for page in listed for each in page]

    def count(self) -> int:
        with suppress(httpx.HTTPError):
            return sum(
                each["digested_event_count"] for each in ask(self.bugsink, "projects/")["results"]
            )
        return 0

    def waiting(self) -> tuple[int, int]:
        """In each spool."""
        settings = load_settings({"state_dir": self.app_state})
        return spool_status(settings).waiting, len(list(self.node_spool.glob("*.event")))


@pytest.fixture(scope="module")
def stack(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if not is_to_be_had("bugsink"):
        pytest.skip("Bugsink is not installed and ONYX_TEST_APPLICATIONS is not set")
    folder = tmp_path_factory.mktemp("errors")
    # Of its own: it is stopped.
    bugsink = BugsinkServer(folder / "bugsink", environment_of("bugsink"))
    app = SandboxApp(folder / "app")
    key = folder / "key"
    key.write_text(KEY)
    try:
        bugsink.start()
        dsns = bugsink.access.dsns
        app.start(
            sandbox.postgres,
            sandbox.qdrant.url,
            sandbox.llm.api_url,
            database="with_errors",
            errors={
                "ONYX_SENTRY_DSN": dsns["onyx"],
                "ONYX_SENTRY_RELEASE": "onyx@1.4.2",
                "ONYX_STATE_DIR": str(folder / "state"),
                "ONYX_ERROR_PSEUDONYM_KEY": KEY,
            },
        )
        app.set_faults(crash=True)
        spool = folder / "node-spool"
        options = {"pseudonymKeyFile": str(key)}
        with node_service(dsns["suna"], spool, module=installed_module(), **options) as node:
            yield Stack(bugsink, app, folder / "state", node, spool)
    finally:
        app.stop()
        bugsink.stop()


def test_errors_of_both_arrive_whole_and_scrubbed_and_survive_an_outage_of_the_tracker(
    stack: Stack, tmp_path: Path
) -> None:
    assert stack.fail_in_python().status_code == 500
    stack.fail_in_node(0)
    wait_until(lambda: stack.count() == 2, "the first error of each has arrived")

    stack.bugsink.stop()
    for number in (1, 2, 3):
        assert stack.fail_in_python().status_code == 500
        stack.fail_in_node(number)
    assert httpx.get(f"{stack.app.url}/health", trust_env=False).is_success
    wait_until(lambda: stack.waiting() == (3, 3), "what nobody takes waits on disk")

    stack.bugsink.start()
    wait_until(lambda: stack.waiting() == (0, 0), "both spools are delivered")
    events = stack.events()
    assert stack.count() == len(events) == 8
    assert len({each["event_id"] for each in events}) == 8

    python, node = (
        [each["data"] for each in events if each["data"]["platform"] == of]
        for of in ("python", "node")
    )
    assert len(python) == len(node) == 4
    for each in (*python, *node):
        assert not [secret for secret in SECRETS if secret in str(each)]
        assert each["user"]["id"]
        assert each["breadcrumbs"]["values"]
    (frame,) = {_last_frame(each) for each in python}
    assert frame[0] == "onyx_pipelines/sandbox/app/web.py"
    assert all(_last_frame(each)[1] > 1 for each in (*python, *node))
    assert all(_last_frame(each)[0].endswith("tracked_service.mjs") for each in node)
    # One person is one pseudonym in both.
    assert len({each["user"]["id"] for each in (*python, *node)}) == 1

    with mail_host() as mail:
        day = newest_day(datetime.now(UTC)) + timedelta(days=1)
        settings = load_settings(
            {
                "state_dir": tmp_path / "state",
                "reports_dir": tmp_path / "reports",
                "error_tracker_url": stack.bugsink.url,
                "error_tracker_token": stack.bugsink.access.token,
                "smtp_host": "127.0.0.1",
                "smtp_port": mail.port,
                "smtp_security": "none",
                "smtp_to": "ops@example.org",
            }
        )
        made = digest_day(settings, day, window_of(day).end)
    message = email.message_from_string(mail.messages[0], policy=default)
    assert isinstance(message, EmailMessage)
    assert made.digest.events == 8
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        text = body.get_content()
        assert "RuntimeError: This was asked for" in text
        assert "Error: planted" in text
        assert not [secret for secret in SECRETS if secret in text]


def _last_frame(event: dict[str, Any]) -> tuple[str, int]:
    frame = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    return frame["filename"], frame["lineno"]
