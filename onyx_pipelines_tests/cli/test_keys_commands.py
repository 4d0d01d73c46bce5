"""`onyx keys`: keys are made, checked, copied and changed from the command line."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from onyx_pipelines.cli import keys
from onyx_pipelines.cli.app import app
from onyx_pipelines.core.errors import AlreadyRunningError, KeyFileError
from onyx_pipelines.vault.lock import ExclusiveLock, current_holder
from onyx_pipelines.vault.rewrapping import rewrap
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, key_material

runner = CliRunner()


def listed_names() -> list[str]:
    answer = runner.invoke(app, ["keys", "recipients", "--json"])
    return [each["name"] for each in json.loads(answer.stdout)]


def test_create_makes_a_private_file_adds_the_recipient_and_warns(
    volume_host: HostUnderTest,
) -> None:
    path = volume_host.root / "keys" / "second.json"

    answer = runner.invoke(app, ["keys", "create", "--name", "second", "--path", str(path)])

    assert answer.exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert listed_names() == ["test host", "second"]
    assert "loses the backups" in answer.stdout
    assert [secret for secret in key_material(path) if secret in answer.output] == []


def test_create_never_replaces_a_key(volume_host: HostUnderTest) -> None:
    before = volume_host.private_key.read_bytes()

    answer = runner.invoke(app, ["keys", "create"])

    assert isinstance(answer.exception, KeyFileError)
    assert volume_host.private_key.read_bytes() == before


def test_escrow_copies_the_key_to_a_new_private_file(
    volume_host: HostUnderTest, tmp_path: Path
) -> None:
    copy = tmp_path / "usb.key"

    answer = runner.invoke(app, ["keys", "escrow", str(copy)])

    assert answer.exit_code == 0
    assert key_material(copy) == key_material(volume_host.private_key)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


@pytest.mark.usefixtures("volume_host")
def test_check_of_the_right_key_answers_zero() -> None:
    answer = runner.invoke(app, ["keys", "check", "--json"])

    assert (answer.exit_code, json.loads(answer.stdout)["ok"]) == (0, True)


def test_check_of_a_key_that_is_no_recipient_is_an_error(volume_host: HostUnderTest) -> None:
    other = volume_host.root / "keys" / "other.json"
    runner.invoke(app, ["keys", "create", "--name", "other", "--path", str(other)])
    runner.invoke(app, ["keys", "recipients", "remove", "other"])
    volume_host.set(PRIVATE_KEY_FILE=other)

    answer = volume_host.onyx("keys", "check")

    assert answer.status == 2
    assert "Traceback" not in answer.errors


def test_a_public_key_of_another_host_can_be_added_and_removed(
    volume_host: HostUnderTest, tmp_path: Path
) -> None:
    public = tmp_path / "public.json"
    public.write_text(runner.invoke(app, ["keys", "public"]).stdout, encoding="utf-8")
    runner.invoke(app, ["keys", "create", "--name", "new", "--path", str(tmp_path / "new.json")])
    runner.invoke(app, ["keys", "recipients", "remove", "test host"])
    after_removal = listed_names()

    runner.invoke(app, ["keys", "recipients", "add", "back again", str(public)])

    assert after_removal == ["new"]
    assert listed_names() == ["new", "back again"]


def test_rewrap_changes_nothing_without_yes(volume_host: HostUnderTest) -> None:
    backup_id = volume_host.run().backup_id
    manifest = volume_host.backups / "sets" / backup_id / "manifest.json"
    before = manifest.read_bytes()
    runner.invoke(app, ["keys", "create", "--name", "n", "--path", str(volume_host.root / "n")])

    planned = runner.invoke(app, ["keys", "rewrap", "--json"])
    unchanged = manifest.read_bytes()
    done = runner.invoke(app, ["keys", "rewrap", "--yes", "--json"])

    assert (planned.exit_code, done.exit_code) == (0, 0)
    assert unchanged == before
    assert manifest.read_bytes() != before


@pytest.mark.parametrize("options", [(), ("--yes",)])
def test_rewrap_leaves_a_host_alone_that_writes_or_prunes_or_restores(
    volume_host: HostUnderTest, options: tuple[str, ...]
) -> None:
    backup_id = volume_host.run().backup_id
    manifest = volume_host.backups / "sets" / backup_id / "manifest.json"
    before = manifest.read_bytes()
    runner.invoke(app, ["keys", "create", "--name", "n", "--path", str(volume_host.root / "n")])

    with ExclusiveLock(volume_host.settings.state_dir, "backup", backup_id):
        answer = runner.invoke(app, ["keys", "rewrap", *options])

    assert isinstance(answer.exception, AlreadyRunningError)
    assert "A backup already runs" in answer.exception.what
    assert manifest.read_bytes() == before


def test_nobody_begins_while_sets_are_rewrapped(
    volume_host: HostUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume_host.run()
    seen: list[str] = []

    def noting(*arguments: Any, **options: Any) -> Any:
        holder = current_holder(volume_host.settings.state_dir)
        seen.append(holder.purpose if holder else "nobody")
        return rewrap(*arguments, **options)

    monkeypatch.setattr(keys, "rewrap_sets", noting)
    answer = runner.invoke(app, ["keys", "rewrap", "--yes"])

    assert answer.exit_code == 0
    assert seen == ["rewrap"]
    assert current_holder(volume_host.settings.state_dir) is None


def test_rewrap_on_a_host_without_the_private_key_says_so(volume_host: HostUnderTest) -> None:
    volume_host.set(PRIVATE_KEY_FILE=None)

    answer = volume_host.onyx("keys", "rewrap")

    assert answer.status == 2
    assert "ONYX_PRIVATE_KEY_FILE" in answer.errors
