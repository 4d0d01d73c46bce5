"""A file for each stack in ONYX_CONFIG: which one counts, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from onyx_pipelines.cli.app import app
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_settings


@pytest.fixture(params=["a directory", "a list"])
def files(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Path]:
    paths = [tmp_path / "first.yaml", tmp_path / "second.yaml"]
    for path, stack in zip(paths, ("prod", "staging"), strict=True):
        path.write_text(f"stack: {stack}\npg_host: {stack}.internal\n")
    is_list = request.param == "a list"
    monkeypatch.setenv("ONYX_CONFIG", ":".join(map(str, paths)) if is_list else str(tmp_path))
    monkeypatch.setenv("ONYX_STACK", "")
    return paths


def onyx(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("stack", ["prod", "staging"])
def test_the_file_of_the_stack_that_is_named_counts(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, stack: str
) -> None:
    monkeypatch.setenv("ONYX_STACK", stack)

    assert load_settings().pg_host == f"{stack}.internal"
    assert load_settings().stack == stack


@pytest.mark.parametrize("stack", ["prod", "staging"])
def test_a_command_is_told_which(files: list[Path], stack: str) -> None:
    answer = onyx("--stack", stack, "config", "check")

    assert answer.exit_code == 0
    assert str(files[stack == "staging"]) in answer.stdout.replace("\n", "")


@pytest.mark.parametrize("command", ["doctor", "catalog list", "health", "api token list"])
def test_a_command_that_is_about_one_stack_asks_for_it(files: list[Path], command: str) -> None:
    failure = onyx(*command.split()).exception

    assert isinstance(failure, SettingsError)
    assert "prod (" in failure.what
    assert "onyx --stack NAME" in failure.remedy


def test_a_file_that_cannot_be_read_keeps_no_other_stack(files: list[Path]) -> None:
    files[0].write_text("{")

    assert load_settings({"stack": "staging"}).pg_host == "staging.internal"
    with pytest.raises(SettingsError, match=r"first\.yaml is not YAML"):
        load_settings({"stack": "prod"})


@pytest.mark.parametrize("named", ["", "other"])
def test_without_a_name_or_with_a_strange_one_all_are_listed(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("ONYX_STACK", named)

    with pytest.raises(SettingsError, match=r"prod \(.*first.yaml\), staging"):
        load_settings()


def test_two_files_of_one_name_are_refused(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files[1].write_text("stack: prod\n")
    monkeypatch.setenv("ONYX_STACK", "prod")

    with pytest.raises(SettingsError, match="files of several stacks"):
        load_settings()


def test_a_stack_that_is_not_configured_is_refused_by_a_command() -> None:
    failure = onyx("--stack", "prod", "config", "check").exception

    assert isinstance(failure, SettingsError)
    assert "There is no stack prod" in failure.what
