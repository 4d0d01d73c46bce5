"""`onyx restore` with a collection that cannot be restored: the same command finishes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.progress import silent
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.whole_restore import RestoreResult, abort, restore_set
from onyx_pipelines_tests.fixtures_qdrant import MakeCollection, QdrantServer
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, make_host
from onyx_pipelines_tests.planting import flip_a_byte

pytestmark = pytest.mark.slow


@pytest.fixture
def host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faulty_server: QdrantServer
) -> HostUnderTest:
    host = make_host(tmp_path, monkeypatch)
    host.set(QDRANT_URL=faulty_server.url)
    return host


def test_a_restore_that_was_given_up_begins_anew(
    host: HostUnderTest, faulty_server: QdrantServer, make_faulty_collection: MakeCollection
) -> None:
    """What the first call had finished, and what has become of it since, does not count."""
    good, bad = make_faulty_collection("a-good-one"), make_faulty_collection("b-bad-one")
    host.set(QDRANT_COLLECTIONS=f"{good},{bad}")
    host.run()
    [backup_id] = host.listed()
    flip_a_byte(next((host.backups / "sets" / backup_id).rglob(f"{bad}.snapshot*")))
    restored(host, backup_id)
    faulty_server.client.delete(good, points_selector=[1], wait=True)

    abort(host.settings)
    restored(host, backup_id)

    assert faulty_server.client.count(good).count == 20


def restored(host: HostUnderTest, backup_id: str) -> RestoreResult:
    return restore_set(
        host.settings,
        RestoreChoice(),
        backup_id=backup_id,
        store_name=None,
        safety_backup=None,
        command="onyx restore",
        progress=silent,
    )


def test_the_same_command_goes_on_with_what_could_not_be_restored(
    host: HostUnderTest, faulty_server: QdrantServer, make_faulty_collection: MakeCollection
) -> None:
    """With a safety backup of what it was when that was called."""
    good, bad = make_faulty_collection("a-good-one"), make_faulty_collection("b-bad-one")
    host.set(QDRANT_COLLECTIONS=f"{good},{bad}")
    host.run()
    [backup_id] = host.listed()
    faulty_server.client.delete(good, points_selector=[1], wait=True)
    faulty_server.client.delete(bad, points_selector=[1], wait=True)
    sealed = next((host.backups / "sets" / backup_id).rglob(f"{bad}.snapshot*"))

    flip_a_byte(sealed)
    first = host.onyx("restore", backup_id, "--confirm", "--json")
    counts = [faulty_server.client.count(each).count for each in (good, bad)]
    flip_a_byte(sealed)
    second = host.onyx("restore", backup_id, "--confirm", "--json")

    (problem,) = first.json["components"]["qdrant"]["problems"]
    assert (first.status, second.status) == (1, 0), first.everything + second.everything
    assert (problem["item"], counts) == (bad, [20, 19])
    assert first.json["components"]["qdrant"]["unfinished"] == [bad]
    assert second.json["safety_backup_id"] != first.json["safety_backup_id"]
    assert first.json["safety_backup_id"] in " ".join(second.json["notes"])
    assert faulty_server.client.count(bad).count == 20
