"""`onyx errors deployed|changed`: what messages of errors will say stands in the audit trail."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.errors.recorded_changes import recorded_changes
from onyx_pipelines_tests.cli.all_commands import call


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONYX_STATE_DIR", str(tmp_path))


def recorded() -> list[str]:
    changes, unknown = recorded_changes(load_settings(), (), datetime.now(UTC))
    assert unknown == []
    return [each.said for each in changes]


def test_a_deploy_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "errors", "deployed", "--release", "suna@1.4.2", "--service", "suna")

    assert answer.status == 0
    assert recorded() == ["release suna@1.4.2 of suna was deployed"]


def test_another_change_is_noted_with_who_said_so_and_without_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call(capsys, "errors", "changed", "configuration", "pool 5, password=hunter2hunter2")

    (said,) = recorded()
    assert said.startswith("configuration: pool 5, password=")
    assert "noted by" in said
    assert "hunter2" not in said


def test_a_change_without_words_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "errors", "changed", "schema", " ")

    assert answer.status == 2
    assert recorded() == []
