"""`onyx incident`, where nothing else of ours runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.readiness.incidents.actions import hear
from onyx_pipelines.readiness.incidents.alertmanager import MessageSent
from onyx_pipelines_tests.cli.all_commands import call
from onyx_pipelines_tests.readiness.made_incidents import alert, body


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONYX_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("ONYX_REPORTS_DIR", str(tmp_path / "reports"))


def test_from_the_alert_to_the_post_mortem(capsys: pytest.CaptureFixture[str]) -> None:
    hear(load_settings(), MessageSent.model_validate(body(alert())))

    listed = call(capsys, "incident", "list", "--json")
    (incident,) = listed.json
    taken = call(capsys, "incident", "ack", incident["id"][:8], "--as", "ann")
    shown = call(capsys, "incident", "show")
    over = call(capsys, "incident", "close", "--reason", "a test")
    written = call(capsys, "incident", "postmortem", "--json")

    assert listed.status == 1
    assert "ann has it" in taken.output
    assert "PostgresqlDown of postgresql fires" in shown.output
    assert "closed" in over.output
    assert "still fires: PostgresqlDown" in over.output
    assert Path(written.json["draft"]).read_text().startswith("# Post-mortem: ")
    assert call(capsys, "incident", "list").status == 0


def test_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    made = call(capsys, "incident", "open", "chat is slow", "--severity", "warning", "--json")

    assert (made.json["title"], made.json["by_hand"]) == ("chat is slow", True)
    assert made.json["triages"], "it was looked at"


def test_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    answer = call(capsys, "incident", "show")

    assert answer.status == 2
    assert "There is no incident latest." in answer.errors
