"""What a run could not delete the next one deletes: our snapshots, and nobody else's."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.source import ComponentStatus
from onyx_pipelines_tests.fixtures_qdrant import MakeSource, QdrantServer, back_up, journal_in
from onyx_pipelines_tests.planting import plant, replaced
from onyx_pipelines_tests.waiting import wait_until

pytestmark = pytest.mark.thorough

_PROGRAM = """
import sys
from pathlib import Path
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines_tests.recording_sink import RecordingSink

url, collection, state_dir = sys.argv[1:]
source = QdrantSource(url, state_dir=Path(state_dir), collections=[collection])
source.back_up(RecordingSink(), silent)
"""


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Of the sources that `make_source` makes."""
    return tmp_path / "state"


@contextmanager
def _killed_when(
    reached: Callable[[], object], server: QdrantServer, collection: str, state_dir: Path
) -> Iterator[None]:
    """A backup in a process of its own, ended by SIGKILL as soon as `reached()` is true."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, server.url, collection, str(state_dir)]
    )
    try:
        wait_until(lambda: reached() or process.poll() is not None, "the backup gets there")
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    yield


def test_a_backup_killed_while_it_downloads_leaves_one_that_the_next_run_deletes(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
    state_dir: Path,
) -> None:
    before = faulty_server.make_snapshot(faulty_collection)
    standin.set_faults(stall_download_after=10_000)

    def ours_is_named() -> bool:
        made = set(faulty_server.snapshots(faulty_collection)) - {before}
        texts = [path.read_text() for path in journal_in(state_dir) if path.suffix == ".json"]
        return any(name in text for name in made for text in texts)

    with _killed_when(ours_is_named, faulty_server, faulty_collection, state_dir):
        standin.set_faults()
    after = faulty_server.make_snapshot(faulty_collection)
    left = faulty_server.snapshots(faulty_collection)

    _, report = back_up(make_source(faulty_server, faulty_collection))

    assert len(left) == 3
    assert report.status is ComponentStatus.COMPLETED
    assert faulty_server.snapshots(faulty_collection) == sorted([before, after])
    assert journal_in(state_dir) == []


def test_a_backup_killed_while_the_server_makes_one_leaves_it_to_the_next_run(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
    state_dir: Path,
) -> None:
    before = faulty_server.make_snapshot(faulty_collection)
    standin.set_faults(create_delay_s=2)

    with _killed_when(
        lambda: _is_making(standin, faulty_collection), faulty_server, faulty_collection, state_dir
    ):
        standin.set_faults()
    wait_until(
        lambda: len(faulty_server.snapshots(faulty_collection)) == 2, "a second snapshot is there"
    )

    _, report = back_up(make_source(faulty_server, faulty_collection))

    assert report.status is ComponentStatus.COMPLETED
    assert faulty_server.snapshots(faulty_collection) == [before]
    assert journal_in(state_dir) == []


def test_of_two_that_may_be_ours_none_is_deleted_and_both_are_named(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
    state_dir: Path,
) -> None:
    standin.set_faults(create_delay_s=2)

    with _killed_when(
        lambda: _is_making(standin, faulty_collection), faulty_server, faulty_collection, state_dir
    ):
        standin.set_faults()
    wait_until(lambda: faulty_server.snapshots(faulty_collection), "a snapshot is there")
    faulty_server.make_snapshot(faulty_collection)
    left = faulty_server.snapshots(faulty_collection)

    _, report = back_up(make_source(faulty_server, faulty_collection))

    assert len(left) == 2
    assert report.status is ComponentStatus.COMPLETED_WITH_WARNINGS
    assert [name for name in left if name in report.warnings[0]] == left
    assert faulty_server.snapshots(faulty_collection) == left


def test_what_cannot_be_deleted_is_a_warning_and_the_next_run_deletes_it(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
    state_dir: Path,
) -> None:
    source = make_source(faulty_server, faulty_collection)
    standin.set_faults(delete_status=500)

    _, first = back_up(source)
    left = faulty_server.snapshots(faulty_collection)
    standin.set_faults()
    _, second = back_up(source)

    assert first.status is ComponentStatus.COMPLETED_WITH_WARNINGS
    assert faulty_collection in first.warnings[0]
    assert len(left) == 1
    assert second.status is ComponentStatus.COMPLETED
    assert faulty_server.snapshots(faulty_collection) == []
    assert journal_in(state_dir) == []


def test_none_of_several_that_could_not_be_deleted_is_forgotten(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
    state_dir: Path,
) -> None:
    source = make_source(faulty_server, faulty_collection)
    standin.set_faults(delete_status=500)

    back_up(source)
    time.sleep(1.05)
    back_up(source)
    left = faulty_server.snapshots(faulty_collection)
    standin.set_faults()
    back_up(source)

    assert len(left) == 2
    assert faulty_server.snapshots(faulty_collection) == []
    assert journal_in(state_dir) == []


def test_a_collection_that_is_gone_takes_its_journal_entry_with_it(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
    state_dir: Path,
) -> None:
    other = faulty_collection + "-other"
    config = faulty_server.client.get_collection(faulty_collection).config.params.vectors
    faulty_server.client.create_collection(other, vectors_config=config)
    standin.set_faults(delete_status=500)
    back_up(make_source(faulty_server, other))
    entries = journal_in(state_dir)
    standin.set_faults()
    faulty_server.client.delete_collection(other)

    _, report = back_up(make_source(faulty_server, faulty_collection))

    assert len(entries) == 1
    assert report.status is ComponentStatus.COMPLETED
    assert journal_in(state_dir) == []


def test_the_journal_of_another_server_is_left_alone(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
    state_dir: Path,
) -> None:
    standin.set_faults(delete_status=500)
    back_up(make_source(faulty_server, faulty_collection))
    standin.set_faults()
    [entry] = journal_in(state_dir)
    plant(entry, replaced(b"127.0.0.1", b"elsewhere"))

    back_up(make_source(faulty_server, faulty_collection))

    assert journal_in(state_dir) == [entry]
    assert len(faulty_server.snapshots(faulty_collection)) == 1


def _is_making(standin: QdrantStandIn, collection: str) -> bool:
    metrics = httpx.get(f"{standin.url}/metrics").text
    return f'snapshot_creation_running{{id="{collection}"}} 1' in metrics
