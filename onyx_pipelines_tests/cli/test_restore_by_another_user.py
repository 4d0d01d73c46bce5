"""`onyx restore` by a user who cannot read all that is there: what it says is true."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from onyx_pipelines.cli.app import app
from onyx_pipelines_tests.fixtures_sandbox import VOLUME, HostUnderTest, make_volume_host
from onyx_pipelines_tests.requirements_of_tests import unavailable
from onyx_pipelines_tests.users import NOBODY, as_another_user

runner = CliRunner()


BACKUP = ["backup", "run"]
RESTORE = ["restore", "latest", "--volume", VOLUME, "--confirm"]


@pytest.fixture
def host(loaded: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostUnderTest]:
    """Nobody's, but for one file in its volume."""
    if os.geteuid() != 0:
        unavailable("only root can become another user")
    root = Path(tempfile.mkdtemp())
    try:
        os.chown(root, NOBODY, NOBODY)
        with as_another_user(NOBODY):
            host = make_volume_host(root, monkeypatch)
        secret = host.volume / "secret"
        secret.write_bytes(b"of root")
        secret.chmod(0o600)
        with as_another_user(NOBODY):
            yield host
    finally:
        shutil.rmtree(root)


@pytest.fixture
def loaded(tmp_path: Path) -> None:
    """What these commands import, which another user may not read where the tests are installed."""
    with pytest.MonkeyPatch.context() as patch:
        make_volume_host(tmp_path, patch)
        for command in (BACKUP, RESTORE):
            assert runner.invoke(app, command).exit_code == 0


def test_a_file_that_no_backup_could_read_survives_the_restore(host: HostUnderTest) -> None:
    backup = runner.invoke(app, BACKUP)
    (host.volume / "greeting.txt").write_text("newer", encoding="utf-8")

    answer = runner.invoke(app, RESTORE)

    os.seteuid(0)
    assert (host.volume / "secret").read_bytes() == b"of root"
    os.seteuid(NOBODY)
    assert (host.volume / "greeting.txt").read_text(encoding="utf-8") == "hello\n" * 2000
    assert backup.exit_code == 1
    assert answer.exit_code == 2
    assert "1 path is in no backup and stays as it is: secret" in answer.stdout
    assert "What was there before is in the set" in answer.stdout
    assert "that set: volume data: 1 could not be read" in answer.stdout
