"""From an application in Python and one in Node, through a real Bugsink that is stopped meanwhile,
to Slack within seconds and a digest in a mailbox: nothing is lost, nothing comes twice, nothing
secret leaves."""

from __future__ import annotations

import email
import json
import os
import subprocess
import time
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

from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.errors.digest import newest_day, window_of
from onyx_pipelines.errors.digest_making import digest_day
from onyx_pipelines.errors.spool import spool_status
from onyx_pipelines.sandbox.app.server import SandboxApp
from onyx_pipelines.sandbox.errors.bugsink_server import BugsinkServer
from onyx_pipelines.sandbox.ports import free_port
from onyx_pipelines.sandbox.service_process import answers
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines.sandbox.suna.server import SunaServer
from onyx_pipelines_tests.application_environments import environment_of, is_to_be_had
from onyx_pipelines_tests.errors.node_service import installed_module
from onyx_pipelines_tests.fixtures_bugsink import ask
from onyx_pipelines_tests.fixtures_sandbox import COMMAND
from onyx_pipelines_tests.notify.servers import MailHost, Webhook, mail_host, webhook
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.thorough, pytest.mark.timeout(900)]

KEY = "a-key-of-pseudonyms-that-both-have"
SECRETS = ("anna@example.org", "sk-4f1c0ffee4f1c0ffee4f1c0ffee", "session-of-anna")
QUESTION = f"I am {SECRETS[0]} and my key is {SECRETS[1]}"
PATH_SECRET = "bugsink-knows-this-way"
# The issue: an error is told within so many seconds.
LIMIT_S = 30.0


@dataclass(frozen=True)
class Stack:
    """Two services that report to one tracker, each with a spool of its own; and the people."""

    bugsink: BugsinkServer
    webhook_url: str
    app: SandboxApp
    app_state: Path
    suna: SunaServer
    slack: Webhook
    mail: MailHost

    def fail_in_python(self) -> httpx.Response:
        """One request that breaks."""
        return self._post(
            f"{self.app.url}/api/chat/send-message",
            {"message": QUESTION, "session_id": SECRETS[2]},
        )

    def fail_in_node(self) -> httpx.Response:
        """One request that breaks."""
        return self._post(f"{self.suna.url}/break?mail={SECRETS[0]}", {"question": QUESTION})

    def _post(self, url: str, body: dict[str, str]) -> httpx.Response:
        headers = {"x-user-id": SECRETS[0], "Authorization": f"Bearer {SECRETS[1]}"}
        return httpx.post(url, json=body, headers=headers, trust_env=False, timeout=30)

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
        return spool_status(settings).waiting, len(list(self.suna.spool.glob("*.event")))

    def told_at(self, what: str) -> list[float]:
        """When Slack had answered a message whose headline has that."""
        texts = [json.loads(body)["text"] for _, body in self.slack.requests]
        return [at for text, at in zip(texts, self.slack.answered_at, strict=False) if what in text]

    def mails(self, subject: str) -> list[EmailMessage]:
        """With that in the subject."""
        found = [email.message_from_string(each, policy=default) for each in self.mail.messages]
        return [
            each
            for each in found
            if isinstance(each, EmailMessage) and subject in str(each["subject"])
        ]


@pytest.fixture(scope="module")
def stack(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if not is_to_be_had("bugsink"):
        pytest.skip("Bugsink is not installed and ONYX_TEST_APPLICATIONS is not set")
    folder = tmp_path_factory.mktemp("errors")
    # Of its own: it is stopped.
    bugsink = BugsinkServer(folder / "bugsink", environment_of("bugsink"))
    app, suna = SandboxApp(folder / "app"), SunaServer(folder / "suna", installed_module())
    port = free_port()
    hook = f"http://127.0.0.1:{port}/hooks/bugsink/{PATH_SECRET}"
    with webhook() as slack, mail_host() as mail:
        try:
            bugsink.start(webhook_url=hook)
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
            suna.start(dsns["suna"], KEY)
            yield Stack(bugsink, hook, app, folder / "state", suna, slack, mail)
        finally:
            suna.stop()
            app.stop()
            bugsink.stop()


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> Settings:
    """Of who tells people."""
    return load_settings(
        {
            "state_dir": tmp_path / "state",
            "reports_dir": tmp_path / "reports",
            "error_tracker_url": stack.bugsink.url,
            "error_tracker_token": stack.bugsink.access.token,
            "error_critical_types": "RuntimeError",
            "error_relay_port": int(stack.webhook_url.split("/")[2].partition(":")[2]),
            "bugsink_webhook_secret": PATH_SECRET,
            "slack_webhook_url": f"{stack.slack.url}/services/x",
            "smtp_host": "127.0.0.1",
            "smtp_port": stack.mail.port,
            "smtp_security": "none",
            "smtp_to": "ops@example.org",
            "mail_notify_on": "errors:failed",
        }
    )


@pytest.fixture
def relay(settings: Settings) -> Iterator[None]:
    """As a service: `onyx errors relay`."""
    given = {
        "STATE_DIR": settings.state_dir,
        "ERROR_TRACKER_URL": settings.error_tracker_url,
        "ERROR_TRACKER_TOKEN": settings.error_tracker_token.get_secret_value(),
        "ERROR_CRITICAL_TYPES": "RuntimeError",
        "ERROR_RELAY_PORT": settings.error_relay_port,
        "BUGSINK_WEBHOOK_SECRET": PATH_SECRET,
        "SLACK_WEBHOOK_URL": settings.slack_webhook_url.get_secret_value(),
        "SMTP_HOST": settings.smtp_host,
        "SMTP_PORT": settings.smtp_port,
        "SMTP_SECURITY": "none",
        "SMTP_TO": "ops@example.org",
        "MAIL_NOTIFY_ON": "errors:failed",
    }
    environment = {**os.environ, **{f"ONYX_{name}": str(each) for name, each in given.items()}}
    with subprocess.Popen([*COMMAND, "errors", "relay"], env=environment) as process:
        try:
            url = f"http://127.0.0.1:{settings.error_relay_port}/health"
            wait_until(lambda: answers(url), "the relay serves")
            yield
        finally:
            process.kill()


@pytest.mark.usefixtures("relay")
def test_an_error_in_python_and_one_in_node_reach_people_whole_and_scrubbed_also_after_an_outage(
    stack: Stack, settings: Settings
) -> None:
    failed_at = time.time()
    assert stack.fail_in_python().status_code == 500
    assert stack.fail_in_node().status_code == 500
    wait_until(lambda: stack.count() == 2, "the first error of each has arrived")
    for headline in ("RuntimeError: This was asked for", " Error: This was asked for"):
        wait_until(lambda said=headline: stack.told_at(said), "Slack is told")
        assert stack.told_at(headline)[0] - failed_at < LIMIT_S
    wait_until(lambda: stack.mails("RuntimeError"), "the critical one is told by mail too")
    assert not stack.mails(" Error: This")

    stack.bugsink.stop()
    for _ in range(3):
        assert stack.fail_in_python().status_code == 500
        assert stack.fail_in_node().status_code == 500
    assert httpx.get(f"{stack.app.url}/health", trust_env=False).is_success
    assert httpx.get(f"{stack.suna.url}/health", trust_env=False).is_success
    wait_until(lambda: stack.waiting() == (3, 3), "what nobody takes waits on disk")

    stack.bugsink.start(webhook_url=stack.webhook_url)
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
        assert each["contexts"]["error_context"]["system_context"]["memory_usage_mb"] > 1
    # One person is one pseudonym in both.
    assert len({each["user"]["id"] for each in (*python, *node)}) == 1
    for of, file, line in (
        (python, "onyx_pipelines/sandbox/app/web.py", "raise RuntimeError("),
        (node, "server.mjs", "throw new Error("),
    ):
        for frame in map(_last_frame, of):
            assert frame["filename"].endswith(file)
            assert frame["lineno"] > 1
            assert frame["context_line"].strip().startswith(line)

    day = newest_day(datetime.now(UTC)) + timedelta(days=1)
    made = digest_day(settings, day, window_of(day).end)
    assert made.digest.events == 8
    (message,) = stack.mails(made.digest.subject)
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        text = body.get_content()
        assert "RuntimeError: This was asked for" in text
        assert "Error: This was asked for" in text.replace("RuntimeError", "")
        assert not [secret for secret in SECRETS if secret in text]
    told = [*stack.mail.messages, *(body.decode() for _, body in stack.slack.requests)]
    assert not [secret for secret in SECRETS for text in told if secret in text]


def _last_frame(event: dict[str, Any]) -> dict[str, Any]:
    frame: dict[str, Any] = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    return frame
