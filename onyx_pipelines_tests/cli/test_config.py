"""`onyx config`: what holds and where it comes from, what is wrong, a file to begin with."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from onyx_pipelines.cli.config import app
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import PREFIX, Settings
from onyx_pipelines.core.settings.part import is_secret

SECRETS = [name for name, field in Settings.model_fields.items() if is_secret(field)]


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def _shown() -> dict[str, tuple[str, str]]:
    result = CliRunner().invoke(app, ["show", "--json"], catch_exceptions=False)
    return {each["name"]: (each["value"], each["origin"]) for each in json.loads(result.stdout)}


def test_it_says_where_each_value_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("pg_port: 7\npg_host: overruled\nvolumes: {a: /a}\n")
    (tmp_path / "user").write_text("role")
    monkeypatch.setenv("ONYX_CONFIG", str(file))
    monkeypatch.setenv("ONYX_PG_HOST", "db")
    monkeypatch.setenv("ONYX_PG_USER_FILE", str(tmp_path / "user"))

    shown = _shown()

    assert shown["pg_port"] == ("7", f"pg_port in {file}")
    assert shown["pg_host"] == ("db", "ONYX_PG_HOST")
    assert shown["pg_user"] == ("role", "ONYX_PG_USER_FILE")
    assert shown["keep_daily"] == ("7", "default")
    assert json.loads(shown["volumes"][0]) == {"a": {"path": "/a", "exclude": []}}


@pytest.mark.parametrize("where", ["environment", "file"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_no_secret_is_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str, options: list[str]
) -> None:
    if where == "environment":
        for name in SECRETS:
            monkeypatch.setenv(f"ONYX_{name.upper()}", f"hush-{name}")
    else:
        (tmp_path / "c.yaml").touch(mode=0o600)
        (tmp_path / "c.yaml").write_text("".join(f"{name}: hush-{name}\n" for name in SECRETS))
        monkeypatch.setenv("ONYX_CONFIG", str(tmp_path / "c.yaml"))

    printed = CliRunner().invoke(app, ["show", *options], catch_exceptions=False).output

    assert "hush" not in printed
    assert printed.count("(secret)") == len(SECRETS) > 10


def test_a_check_names_all_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(app, ["check"]).exit_code == 0
    monkeypatch.setenv("ONYX_PG_PORT", "0")
    monkeypatch.setenv("ONYX_KEEP_DAILY", "x")

    with pytest.raises(SettingsError, match=r"ONYX_PG_PORT.*ONYX_KEEP_DAILY") as failure:
        CliRunner().invoke(app, ["check"], catch_exceptions=False)

    assert failure.value.exit_code == 2


def test_a_sample_is_for_its_owner_alone_and_overwrites_nothing(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["init"]).exit_code == 0
    file = tmp_path / "onyx.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("mine")

    with pytest.raises(SettingsError, match=r"onyx\.yaml cannot be written"):
        CliRunner().invoke(app, ["init"], catch_exceptions=False)

    assert file.read_text() == "mine"
