"""One relay, as it runs, for the two stacks of a host."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from onyx_pipelines.api.error_relay import serve
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.sandbox.ports import free_port
from onyx_pipelines.sandbox.service_process import answers
from onyx_pipelines_tests.errors.relay_signals import bugsink_body
from onyx_pipelines_tests.fixtures_sandbox import COMMAND
from onyx_pipelines_tests.notify.servers import webhook
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECRETS = {"blue": "the-way-of-the-blue-stack", "green": "the-way-of-the-green-stack"}


def environment(folder: Path, slacks: Mapping[str, str], port: int) -> dict[str, str]:
    """With a file for each stack."""
    for stack, slack in slacks.items():
        file = folder / "stacks" / f"{stack}.yaml"
        file.parent.mkdir(exist_ok=True)
        lines = {
            "stack": stack,
            "slack_webhook_url": slack,
            "bugsink_webhook_secret": SECRETS[stack],
        }
        given = "".join(f"{name}: {json.dumps(each)}\n" for name, each in lines.items())
        file.write_text(given, encoding="utf-8")
        file.chmod(0o600)
    return {
        **{name: each for name, each in os.environ.items() if not name.startswith("ONYX_")},
        "ONYX_CONFIG": str(folder / "stacks"),
        "ONYX_STATE_DIR": str(folder / "state"),
        "ONYX_ERROR_RELAY_PORT": str(port),
    }


def test_each_stack_tells_its_own_people(tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as block:
        slacks = {stack: block.enter_context(webhook()) for stack in SECRETS}
        given = environment(tmp_path, {name: each.url for name, each in slacks.items()}, port)
        relay = block.enter_context(subprocess.Popen([*COMMAND, "errors", "relay"], env=given))
        block.callback(relay.kill)
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), "the relay serves")
        for stack, secret in SECRETS.items():
            httpx.post(
                f"http://127.0.0.1:{port}/hooks/bugsink/{secret}",
                content=bugsink_body(),
                trust_env=False,
            ).raise_for_status()
            wait_until(lambda slack=slacks[stack]: slack.requests, f"the people of {stack} know")

    assert [len(each.requests) for each in slacks.values()] == [1, 1]
    assert all("OperationalError" in each.json()["text"] for each in slacks.values())


def test_stacks_that_a_webhook_cannot_be_told_apart_for_are_refused(tmp_path: Path) -> None:
    given = {"state_dir": tmp_path, "sentry_client_secret": "the same of both"}
    stacks = [load_settings(given | {"stack": stack}) for stack in SECRETS]

    with pytest.raises(SettingsError) as failure:
        serve(stacks)

    assert "Several stacks have the same ONYX_SENTRY_CLIENT_SECRET" in str(failure.value)
    assert "the same of both" not in str(failure.value)
