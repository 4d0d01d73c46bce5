"""Only a sandbox is broken, and what is broken is put right by whoever comes next."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.sandbox.game_days.broken import Broken, broken_file, mend
from onyx_pipelines.sandbox.game_days.faults import FAULTS
from onyx_pipelines.sandbox.game_days.only_sandbox import (
    LOCK,
    NotTheSandboxError,
    require_sandbox,
)
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines.sandbox.stack import Sandbox

PG_PORT, QDRANT_PORT = 40001, 40002


@pytest.fixture
def described(tmp_path: Path) -> Sandbox:
    """As one that was up once: its files say where its servers are."""
    for name, facts in {
        "postgres": {"port": PG_PORT, "user": "postgres", "password": "x", "bindir": "/bin"},
        "qdrant": {"port": QDRANT_PORT, "api_key": "", "read_only_key": ""},
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")
    sandbox = Sandbox(tmp_path)
    tell(sandbox)
    return sandbox


def tell(sandbox: Sandbox, **other: str) -> None:
    folder = sandbox.state_dir
    told = {
        "ONYX_STATE_DIR": f"{folder}/state",
        "ONYX_BACKUP_DIR": f"{folder}/backups",
        "ONYX_PG_HOST": HOST,
        "ONYX_PG_PORT": str(PG_PORT),
        "ONYX_QDRANT_URL": f"http://{HOST}:{QDRANT_PORT}",
        "ONYX_LOAD_TEST_URL": sandbox.app.url,
        "ONYX_OFFSITE_URL": "s3://onyx-backups/onyx",
        **other,
    }
    (folder / "environment.json").write_text(json.dumps(told), encoding="utf-8")


def test_a_sandbox_may_be_broken(described: Sandbox) -> None:
    require_sandbox(described)


def test_an_empty_directory_may_become_one(tmp_path: Path) -> None:
    """Also where that was interrupted."""
    require_sandbox(Sandbox(tmp_path))
    require_sandbox(Sandbox(tmp_path / "new"))
    (tmp_path / LOCK).touch()
    (tmp_path / "postgres").mkdir()
    require_sandbox(Sandbox(tmp_path))


def test_a_directory_of_something_else_may_not(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()

    with pytest.raises(NotTheSandboxError, match="not empty, and no sandbox"):
        require_sandbox(Sandbox(tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONYX_PG_HOST", "db.example.org"),
        ("ONYX_PG_PORT", "5432"),
        ("ONYX_QDRANT_URL", "http://127.0.0.1:6333"),
        ("ONYX_STATE_DIR", "/var/lib/onyx-pipelines"),
        ("ONYX_PROMETHEUS_URL", "http://prometheus.example.org:9090"),
        ("ONYX_S3_ENDPOINT_URL", "https://s3.example.org"),
    ],
)
def test_one_whose_settings_lead_elsewhere_may_not(
    name: str, value: str, described: Sandbox
) -> None:
    tell(described, **{name: value})

    with pytest.raises(NotTheSandboxError, match=name):
        require_sandbox(described)


def damaged(sandbox: Sandbox) -> Path:
    """A collection whose file was overwritten; what stood there is kept."""
    file = sandbox.qdrant.data_dir / "storage/collections/documents/0/segments/a/segment.json"
    kept = sandbox.state_dir / "undamaged/files/0/segments/a/segment.json"
    for path, text in ((file, "DAMAGED, the rest"), (kept, "before!")):
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    (sandbox.state_dir / "undamaged" / "points.json").write_text("3", encoding="utf-8")
    note(sandbox, Playbook.VECTOR_CORRUPTION.value)
    return file


def note(sandbox: Sandbox, scenario: str) -> None:
    broken_file(sandbox).write(Broken(scenario=scenario, since=datetime.now(UTC)))


@pytest.mark.parametrize("is_put_aside", [False, True])
@pytest.mark.parametrize("is_restored", [False, True])
def test_damaged_files_are_those_of_before_again(
    is_put_aside: bool, is_restored: bool, described: Sandbox
) -> None:
    """Wherever in the playbook it was killed."""
    file = damaged(described)
    collection = described.qdrant.data_dir / "storage/collections/documents"
    if is_put_aside:
        collection.rename(collection.parents[1] / "documents.damaged")
        if is_restored:
            collection.mkdir()
            (collection / "half").write_text("restored", encoding="utf-8")

    mend(described)

    assert file.read_text(encoding="utf-8") == "before!, the rest"
    assert [each.name for each in collection.iterdir()] == ["0"]
    assert not (described.state_dir / "undamaged").exists()
    assert broken_file(described).read() is None


@pytest.mark.parametrize("scenario", [*FAULTS, "of-a-later-version"])
def test_nothing_is_done_where_nothing_is_broken_any_more(
    scenario: str, described: Sandbox
) -> None:
    """Killed before it struck, or after it was repaired."""
    note(described, scenario)

    mend(described)
    mend(described)

    assert broken_file(described).read() is None


def test_a_note_that_cannot_be_understood_mends_all(described: Sandbox) -> None:
    file = damaged(described)
    broken_file(described).path.write_text('{"what": "?"}', encoding="utf-8")

    mend(described)

    assert file.read_text(encoding="utf-8").startswith("before!")
    assert broken_file(described).read() is None
