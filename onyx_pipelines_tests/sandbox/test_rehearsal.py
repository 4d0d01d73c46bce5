"""Everything but the second store is lost, and comes back by the command line alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.sandbox.application_data import differences
from onyx_pipelines.sandbox.rehearsal import rehearse
from onyx_pipelines.sandbox.stack import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


@pytest.fixture
def directory() -> Iterator[Path]:
    """That PostgreSQL's own user can enter."""
    path = Path(tempfile.mkdtemp(prefix="onyx-rehearsal-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_the_application_data_is_the_same_afterwards(directory: Path) -> None:
    sandbox = Sandbox(directory / "sandbox")
    said: list[str] = []
    try:
        rehearsal = rehearse(sandbox, directory / "elsewhere", size=0.05, say=said.append)
    finally:
        sandbox.down()

    assert rehearsal.lost == ()
    assert rehearsal.things > 50
    assert 0 < rehearsal.seconds < 3600
    assert any("DISASTER" in each for each in said)


def test_what_is_missing_added_or_changed_is_named() -> None:
    before = {"table a": "1", "file b": "2", "same": "3"}
    after = {"table a": "x", "file c": "2", "same": "3"}

    assert differences(before, after) == ["file b: missing", "file c: added", "table a: changed"]
