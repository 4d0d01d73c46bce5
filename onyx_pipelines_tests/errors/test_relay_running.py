"""From a real tracker to what Slack gets, by the relay as it runs: `onyx errors relay`."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from onyx_pipelines.sandbox.errors.bugsink_server import BugsinkServer
from onyx_pipelines.sandbox.ports import free_port
from onyx_pipelines_tests.fixtures_sandbox import COMMAND
from onyx_pipelines_tests.notify.servers import Webhook, webhook
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.timeout(900)]

PATH_SECRET = "bugsink-knows-this-way"
# AC9.2: a critical error is told within so many seconds.
LIMIT_S = 30.0


def headline(message: str) -> str:
    return str(json.loads(message)["text"])


@dataclass
class Told:
    """A project of the tracker, and what Slack was told of its errors."""

    dsn: str
    port: int
    environment: dict[str, str]
    slack: Webhook
    state_dir: Path

    def send(self, kind: str, level: str) -> None:
        """An event, as an SDK would send it."""
        server, _, project = self.dsn.rpartition("/")
        scheme, _, rest = server.partition("://")
        key, _, host = rest.partition("@")
        event = {
            "event_id": uuid.uuid4().hex,
            "platform": "python",
            "level": level,
            "release": "suna@1.4.2",
            "timestamp": time.time(),
            "exception": {"values": [{"type": kind, "value": "pool exhausted <!channel>"}]},
        }
        httpx.post(
            f"{scheme}://{host}/api/{project}/store/",
            json=event,
            headers={"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={key}"},
            trust_env=False,
        ).raise_for_status()

    def messages_on(self, kind: str) -> list[str]:
        texts = [body.decode() for _, body in self.slack.requests]
        return [each for each in texts if kind in each]

    def is_noted(self) -> bool:
        """Whether nothing waits for Slack; whoever is killed between the answer and the note says
        it again, as it must."""
        return not any((self.state_dir / "notify").rglob("*.event.json"))

    @contextmanager
    def relay(self) -> Iterator[subprocess.Popen[bytes]]:
        """Runs until it is killed, at the longest as long as the block."""
        with subprocess.Popen([*COMMAND, "errors", "relay"], env=self.environment) as process:
            try:
                wait_until(self._serves, "the relay serves")
                yield process
            finally:
                process.kill()

    def _serves(self) -> bool:
        with suppress(httpx.HTTPError):
            url = f"http://127.0.0.1:{self.port}/health"
            return httpx.get(url, trust_env=False).is_success
        return False


@pytest.fixture
def told(bugsink: BugsinkServer, tmp_path: Path) -> Iterator[Told]:
    name, port = "told-by-the-relay", free_port()
    access = bugsink.set_up(
        webhook_url=f"http://127.0.0.1:{port}/hooks/bugsink/{PATH_SECRET}", projects=[name]
    )
    with webhook() as slack:
        variables = {
            "STATE_DIR": tmp_path / "state",
            "SLACK_WEBHOOK_URL": f"{slack.url}/services/x",
            "ERROR_RELAY_PORT": port,
            "BUGSINK_WEBHOOK_SECRET": PATH_SECRET,
            "ERROR_TRACKER_URL": bugsink.url,
            "ERROR_TRACKER_TOKEN": access.token,
            "ERROR_TRACKER_PROJECTS": name,
        }
        given = {f"ONYX_{key}": str(value) for key, value in variables.items()}
        yield Told(access.dsns[name], port, {**os.environ, **given}, slack, tmp_path / "state")


def test_an_error_is_told_in_time_with_what_changed_also_after_a_kill_of_the_relay(
    told: Told,
) -> None:
    subprocess.run(
        [*COMMAND, "errors", "deployed", "--release", "suna@1.4.2"],
        env=told.environment,
        check=True,
        capture_output=True,
    )
    with told.relay() as relay:
        sent_at = time.time()
        told.send("PoolError", "fatal")
        wait_until(lambda: told.messages_on("PoolError"), "Slack is told by the webhook")
        took_s = told.slack.answered_at[-1] - sent_at
        wait_until(told.is_noted, "the relay has noted that Slack is told")
        relay.kill()
    # Nobody takes the tracker's webhook, and it does not send it again.
    told.send("LockError", "fatal")
    with told.relay():
        wait_until(lambda: told.messages_on("LockError"), "Slack is told by the list")

    assert took_s < LIMIT_S
    first = told.messages_on("PoolError")[0]
    assert "critical: level fatal" in first
    assert "release suna@1.4.2" in first
    assert "&lt;!channel&gt;" in first
    for kind in ("PoolError", "LockError"):
        assert (
            len([each for each in told.messages_on(kind) if f": {kind}: " in headline(each)]) == 1
        )
