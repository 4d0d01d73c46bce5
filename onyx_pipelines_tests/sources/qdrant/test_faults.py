"""What goes wrong is an error with a remedy; nothing is committed, nothing is left behind."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines.sources.source import ComponentStatus
from onyx_pipelines_tests.fixtures_qdrant import (
    MakeSource,
    QdrantServer,
    back_up,
    facts_in,
    journal_in,
    snapshot_in,
)
from onyx_pipelines_tests.recording_sink import RecordingSink

Fail = Callable[..., SourceError]


@pytest.fixture
def fail(faulty_server: QdrantServer, faulty_collection: str, make_source: MakeSource) -> Fail:
    """`fail(sink, **options of the source)`: the error; nothing of the collection was kept."""

    def call(sink: RecordingSink | None = None, **options: Any) -> SourceError:
        used = sink or RecordingSink()
        with pytest.raises(SourceError) as caught:
            make_source(faulty_server, faulty_collection, **options).back_up(used, silent)
        assert used.objects == {}
        return caught.value

    return call


def test_a_sink_that_fails_leaves_no_snapshot_on_the_server(
    faulty_server: QdrantServer, faulty_collection: str, make_source: MakeSource, tmp_path: Path
) -> None:
    def fail_to_write(_: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        make_source(faulty_server, faulty_collection).back_up(
            RecordingSink(on_write=fail_to_write), silent
        )

    assert faulty_server.snapshots(faulty_collection) == []
    assert journal_in(tmp_path / "state") == []


def test_a_cut_download_goes_on_where_it_was_and_gives_the_same_bytes(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
) -> None:
    standin.set_faults(cut_download_after=15_001, cut_times=2)

    sink, report = back_up(make_source(faulty_server, faulty_collection))

    facts = facts_in(sink, faulty_collection)
    assert report.status is ComponentStatus.COMPLETED
    assert facts.snapshot_bytes > 2 * 15_001
    assert facts.checksum_source == "server"
    assert len(snapshot_in(sink, faulty_collection)) == facts.snapshot_bytes


def test_a_download_that_is_cut_again_and_again_is_given_up(
    standin: QdrantStandIn, faulty_server: QdrantServer, faulty_collection: str, fail: Fail
) -> None:
    standin.set_faults(cut_download_after=1000)

    error = fail()

    assert "lost" in error.what
    assert error.transient
    assert faulty_server.snapshots(faulty_collection) == []


def test_a_download_that_stands_still_is_given_up_in_time(
    standin: QdrantStandIn, faulty_server: QdrantServer, faulty_collection: str, fail: Fail
) -> None:
    standin.set_faults(stall_download_after=10_000)

    error = fail(stall_timeout_s=1)

    assert "no byte came" in error.what
    assert error.transient
    assert faulty_server.snapshots(faulty_collection) == []


def test_a_compressed_answer_is_refused(
    standin: QdrantStandIn, faulty_server: QdrantServer, faulty_collection: str, fail: Fail
) -> None:
    standin.set_faults(compress_download="gzip")

    error = fail()

    assert "compressed" in error.what
    assert "proxy" in error.remedy
    assert not error.transient
    assert faulty_server.snapshots(faulty_collection) == []


def test_bytes_without_the_servers_checksum_are_refused(
    standin: QdrantStandIn, faulty_server: QdrantServer, faulty_collection: str, fail: Fail
) -> None:
    standin.set_faults(wrong_checksum=True)

    error = fail()

    assert "checksum" in error.what
    assert error.transient
    assert faulty_server.snapshots(faulty_collection) == []


def test_where_the_server_has_no_checksum_the_facts_say_so(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
) -> None:
    standin.set_faults(null_checksum=True)

    sink, report = back_up(make_source(faulty_server, faulty_collection))

    assert facts_in(sink, faulty_collection).checksum_source == "length only"
    assert report.status is ComponentStatus.COMPLETED


def test_an_archive_that_the_server_did_not_finish_is_refused(
    standin: QdrantStandIn, faulty_server: QdrantServer, faulty_collection: str, fail: Fail
) -> None:
    standin.set_faults(cut_archive=True)

    error = fail()

    assert "end marker" in error.what
    assert faulty_server.snapshots(faulty_collection) == []


def test_a_snapshot_that_comes_too_late_is_waited_for_and_deleted(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    fail: Fail,
    tmp_path: Path,
) -> None:
    standin.set_faults(create_delay_s=1.5)

    error = fail(snapshot_timeout_s=0.3)

    assert "no answer in time" in error.what
    assert error.transient
    assert faulty_server.snapshots(faulty_collection) == []
    assert journal_in(tmp_path / "state") == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_fails_to_make_one_is_tried_again_later(
    status: int,
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    fail: Fail,
    tmp_path: Path,
) -> None:
    standin.set_faults(create_status=status)

    error = fail(patience_s=0)

    assert f"HTTP {status}" in error.what
    assert faulty_collection in error.what
    assert error.transient
    assert faulty_server.snapshots(faulty_collection) == []
    assert journal_in(tmp_path / "state") == []


@pytest.mark.parametrize("status", [429, 500])
def test_a_busy_or_broken_server_is_tried_again_later(
    status: int, standin: QdrantStandIn, fail: Fail
) -> None:
    standin.set_faults(all_status=status)

    error = fail(patience_s=0)
    standin.set_faults()

    assert f"HTTP {status}" in error.what
    assert error.transient


def test_a_server_that_cannot_be_reached_is_tried_again_later(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"

    with pytest.raises(SourceError) as caught:
        QdrantSource(url, state_dir=tmp_path).describe()

    assert url in caught.value.what
    assert "ONYX_QDRANT_URL" in caught.value.remedy
    assert caught.value.transient


def test_a_later_collection_that_fails_is_missing_and_nothing_is_left_on_the_server(
    standin: QdrantStandIn,
    faulty_server: QdrantServer,
    faulty_collection: str,
    make_source: MakeSource,
) -> None:
    later = faulty_collection + "-z"
    config = faulty_server.client.get_collection(faulty_collection).config.params.vectors
    faulty_server.client.create_collection(later, vectors_config=config)
    sink = RecordingSink(
        on_write=lambda path: standin.set_faults(create_status=500 if "facts" in path else None)
    )

    report = make_source(faulty_server, faulty_collection, later).back_up(sink, silent)

    left = [faulty_server.snapshots(each) for each in (faulty_collection, later)]
    faulty_server.client.delete_collection(later)
    assert left == [[], []]
    assert list(report.missing) == [later]
    assert "HTTP 500" in report.missing[later]
    assert facts_in(sink, faulty_collection).collection == faulty_collection
