"""`GET /api/launch`: the kept review, judged as of now, and who has signed it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.tokens import Scope, TokenFile
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.readiness.launch.checklist import checklist
from onyx_pipelines.readiness.launch.commit import commit_of
from onyx_pipelines.readiness.launch.standing import keep_review
from onyx_pipelines.vault.host_keys import make_missing_keys
from onyx_pipelines_tests.readiness.launch.passing import review_of


@pytest.fixture
def host(tmp_path: Path) -> Settings:
    settings = load_settings(
        {
            "state_dir": str(tmp_path / "state"),
            "recipients_file": str(tmp_path / "recipients.json"),
            "backup_dir": str(tmp_path / "store"),
        }
    )
    make_missing_keys(settings, "vps")
    return settings


@pytest.fixture
def client(host: Settings) -> TestClient:
    token = TokenFile(host.tokens_file).create("reader", Scope.READ)
    headers = {"Authorization": f"Bearer {token}"}
    return TestClient(create_app(host), client=("127.0.0.1", 50_000), headers=headers)


def test_says_what_is_missing(host: Settings, client: TestClient) -> None:
    found = review_of(checklist(), datetime.now(UTC))
    keep_review(host, found.model_copy(update={"commit": commit_of(host)}))

    answer = client.get("/api/launch").json()

    assert (answer["go"], answer["commit"]) == (False, commit_of(host))
    lacking = {each["id"] for each in answer["criteria"] if each["verdict"] != "passed"}
    assert lacking == {"signed"}
    assert [(each["role"], each["counts"]) for each in answer["sign_offs"]] == [
        ("engineering", False), ("operations", False), ("product", False)
    ]  # fmt: skip
    assert {each["verdict"] for each in answer["items"]} == {"passed"}


def test_nothing_was_looked_at_is_not_found(client: TestClient) -> None:
    answer = client.get("/api/launch")

    assert (answer.status_code, answer.json()["remedy"]) == (404, "`onyx launch check` does.")
