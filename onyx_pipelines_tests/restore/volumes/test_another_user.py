"""Backups, drills and restores by a user who is not root."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.restore.results import ComponentDrill
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.restore.volumes import VolumesRestoreRequest
from onyx_pipelines_tests.requirements_of_tests import unavailable
from onyx_pipelines_tests.restore.volumes.volume_sets import (
    Vault,
    drilled,
    make_vault,
    restored,
    settings_for,
    unverified,
)
from onyx_pipelines_tests.sources.volumes.trees import tree_of
from onyx_pipelines_tests.users import NOBODY, as_another_user

SETUID_SETGID = 0o6755


@pytest.fixture
def home() -> Iterator[Path]:
    """Nobody's directory; the test is nobody's from then on."""
    if os.geteuid() != 0:
        unavailable("only root can become another user")
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, NOBODY, NOBODY)
    try:
        with as_another_user(NOBODY):
            yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def vault(home: Path) -> Vault:
    return make_vault(home / "vault")


@pytest.fixture
def mine(home: Path) -> Path:
    root = home / "v"
    (root / "closed" / "below").mkdir(parents=True)
    (root / "closed" / "below" / "file").write_bytes(b"content")
    (root / "closed" / "below").chmod(0o500)
    (root / "program").write_bytes(b"#!")
    (root / "program").chmod(SETUID_SETGID)
    (root / "link").symlink_to("program")
    (root / "second").hardlink_to(root / "closed" / "below" / "file")
    return root


def put_elsewhere(vault: Vault, volume: Path) -> tuple[ComponentDrill, Path]:
    objects = vault.back_up({"v": volume})
    request = VolumesRestoreRequest(("v",), target=volume.parent / "out")
    return restored(objects, request, settings_for(volume.parent)), volume.parent / "out"


def test_what_is_theirs_passes_the_drill_and_comes_back(vault: Vault, mine: Path) -> None:
    objects = vault.back_up({"v": mine})
    before = tree_of(mine)
    (mine / "program").unlink()

    drill = drilled(objects, mine.parent)
    result = restored(
        objects, VolumesRestoreRequest(replace=True), settings_for(mine.parent, {"v": mine})
    )

    assert drill.verdict is result.verdict is Verdict.PASSED
    assert tree_of(mine) == before


@pytest.mark.parametrize(
    ("owner", "mode"), [((0, 0), 0o755), ((0, NOBODY), 0o2755), ((NOBODY, 0), 0o4755)]
)
def test_a_program_of_somebody_else_does_not_run_as_this_user(
    vault: Vault, mine: Path, owner: tuple[int, int], mode: int
) -> None:
    os.seteuid(0)
    os.chown(mine / "program", *owner)
    (mine / "program").chmod(SETUID_SETGID)
    os.seteuid(NOBODY)

    result, out = put_elsewhere(vault, mine)

    status = (out / "program").stat()
    assert (status.st_uid, status.st_gid) == (NOBODY, NOBODY)
    assert status.st_mode & 0o7777 == mode
    assert result.verdict is Verdict.COULD_NOT_VERIFY
    assert "owners cannot be restored by this user" in unverified(result)[0].message
