"""The sandbox's Bugsink: a real error tracker, which is found again and calls nobody at home."""

from __future__ import annotations

import uuid
from pathlib import Path

import httpx
import pytest

from onyx_pipelines.sandbox.errors.bugsink_server import BugsinkServer
from onyx_pipelines_tests.fixtures_bugsink import ask, new_project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_an_event_becomes_an_issue_of_its_project(bugsink: BugsinkServer) -> None:
    dsn = new_project(bugsink, "becomes-an-issue")
    server, _, project = dsn.rpartition("/")
    key = server.split("://")[1].split("@")[0]
    event = {"event_id": uuid.uuid4().hex, "platform": "python", "message": "boom"}

    sent = httpx.post(
        f"{bugsink.url}/api/{project}/store/",
        json=event,
        headers={"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={key}"},
        trust_env=False,
    )

    assert sent.is_success
    (issue,) = ask(bugsink, "issues/", project=project)["results"]
    assert issue["calculated_value"] == "boom"


def test_each_service_has_a_project(bugsink: BugsinkServer) -> None:
    assert set(bugsink.access.dsns) == {"onyx", "suna"}


def test_its_secrets_are_private_and_in_no_argument(bugsink: BugsinkServer) -> None:
    said = Path(f"/proc/{bugsink.pid}/cmdline").read_bytes()

    assert bugsink.password.encode() not in said
    assert bugsink.access.token.encode() not in said
    for name in ("bugsink.json", "bugsink.password", "bugsink.key"):
        assert (bugsink.state_dir / name).stat().st_mode & 0o077 == 0


def test_it_calls_nobody_at_home(bugsink: BugsinkServer) -> None:
    variables = Path(f"/proc/{bugsink.pid}/environ").read_bytes()

    assert b'"PHONEHOME": false' in variables
