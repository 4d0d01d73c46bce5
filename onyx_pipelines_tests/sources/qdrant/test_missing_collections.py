"""What can be backed up is; what cannot is missing with the reason, or was dropped meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import models

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines.sources.qdrant.scratch_names import new_scratch_name
from onyx_pipelines.sources.source import ComponentReport, ComponentStatus, object_path
from onyx_pipelines_tests.fixtures_qdrant import (
    DIMENSIONS,
    MakeCollection,
    MakeSource,
    QdrantServer,
    back_up,
    facts_in,
    journal_in,
    open_client,
    sample_points,
)
from onyx_pipelines_tests.recording_sink import RecordingSink

_VECTORS = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)


def strict(server: QdrantServer, name: str, **limits: Any) -> None:
    limited = {"strict_mode_config": {"enabled": True, **limits}}
    server.request("PATCH", f"/collections/{name}", json=limited)


def taken(sink: RecordingSink, name: str) -> bool:
    """Whether both its snapshot and its facts are there; half of it is a mistake."""
    paths = (
        object_path("qdrant", name, suffix=".snapshot"),
        object_path("facts", "qdrant", name, suffix=".json"),
    )
    found = [path in sink.objects for path in paths]
    assert len(set(found)) == 1
    return all(found)


class TestOnAnyServer:
    @pytest.fixture
    def fine(self, make_collection: MakeCollection) -> str:
        return make_collection("z-fine", points=3)

    def test_one_that_was_chosen_and_is_not_there_is_missing(
        self, fine: str, qdrant_server: QdrantServer, make_source: MakeSource
    ) -> None:
        sink, report = back_up(make_source(qdrant_server, fine, "not-there"))

        assert taken(sink, fine)
        assert not taken(sink, "not-there")
        assert list(report.missing) == ["not-there"]
        assert "has no collection not-there" in report.missing["not-there"]

    def test_one_that_was_chosen_and_is_not_there_is_said_by_the_doctor(
        self, fine: str, qdrant_server: QdrantServer, make_source: MakeSource
    ) -> None:
        with pytest.raises(SourceError, match="has no collection not-there"):
            make_source(qdrant_server, fine, "not-there").describe()

    def test_one_that_the_server_cannot_snapshot_is_missing_and_says_why(
        self,
        fine: str,
        qdrant_server: QdrantServer,
        make_collection: MakeCollection,
        make_source: MakeSource,
        tmp_path: Path,
    ) -> None:
        long = make_collection("n" * 200, points=3)

        sink, report = back_up(make_source(qdrant_server, long, fine))

        assert taken(sink, fine)
        assert not taken(sink, long)
        assert report.status is ComponentStatus.COMPLETED_WITH_WARNINGS
        assert list(report.missing) == [long]
        assert "File name too long" in report.missing[long]
        assert [each for each in report.warnings if long in each and "File name" in each]
        assert journal_in(tmp_path / "state") == []

    def test_one_whose_rate_is_used_up_for_longer_than_we_wait_is_missing(
        self,
        fine: str,
        qdrant_server: QdrantServer,
        make_collection: MakeCollection,
        make_source: MakeSource,
    ) -> None:
        slow = make_collection(points=23)
        strict(qdrant_server, slow, read_rate_limit=1)

        sink, report = back_up(make_source(qdrant_server, slow, fine, patience_s=1))

        assert taken(sink, fine)
        assert "HTTP 429" in report.missing[slow]
        assert "Retry after" in report.missing[slow]

    def test_every_limit_of_strict_mode_together_is_kept_to(
        self,
        qdrant_server: QdrantServer,
        make_collection: MakeCollection,
        make_source: MakeSource,
    ) -> None:
        name = make_collection(points=9)
        strict(
            qdrant_server,
            name,
            max_query_limit=5,
            search_allow_exact=False,
            unindexed_filtering_retrieve=False,
            read_rate_limit=100,
        )

        sink, report = back_up(make_source(qdrant_server, name, all_up_to=8, sample_points=3))

        facts = facts_in(sink, name)
        assert (report.missing, report.warnings) == ({}, ())
        assert (facts.points_before, len(facts.sample), facts.query) == (9, 3, None)

    def test_one_that_is_dropped_while_another_is_read_is_a_warning(
        self,
        fine: str,
        qdrant_server: QdrantServer,
        make_collection: MakeCollection,
        make_source: MakeSource,
    ) -> None:
        first = make_collection("a-first", points=3)
        dropped = make_collection("b-dropped", points=3)
        sink = RecordingSink(
            on_write=lambda path: first in path and qdrant_server.client.delete_collection(dropped)
        )

        report = make_source(qdrant_server, first, dropped, fine).back_up(sink, silent)

        assert report.missing == {}
        assert report.warnings == ("the collection 'b-dropped' was dropped meanwhile",)
        assert [taken(sink, name) for name in (first, dropped, fine)] == [True, False, True]


class TestWithInjectedFaults:
    @pytest.fixture
    def two(self, faulty_server: QdrantServer, faulty_collection: str) -> Iterator[tuple[str, str]]:
        """Names of two collections, in their order."""
        other = faulty_collection + "-z"
        config = faulty_server.client.get_collection(faulty_collection).config.params.vectors
        faulty_server.client.create_collection(other, vectors_config=config)
        yield faulty_collection, other
        faulty_server.client.delete_collection(other)

    def test_one_that_is_sharded_by_keys_is_refused_with_the_reason(
        self,
        two: tuple[str, str],
        standin: QdrantStandIn,
        faulty_server: QdrantServer,
        make_source: MakeSource,
    ) -> None:
        standin.set_faults(custom_sharding=[two[0]])

        sink, report = back_up(make_source(faulty_server, *two))

        assert [taken(sink, name) for name in two] == [False, True]
        assert "sharded by keys of its own" in report.missing[two[0]]
        assert "ONYX_QDRANT_COLLECTIONS" in report.missing[two[0]]

    def test_where_shards_are_on_other_nodes_nothing_passes_as_a_backup(
        self,
        two: tuple[str, str],
        standin: QdrantStandIn,
        faulty_server: QdrantServer,
        make_source: MakeSource,
    ) -> None:
        standin.set_faults(remote_shards=[1, 7])

        with pytest.raises(SourceError, match=r"shards 1, 7 .* on other nodes") as caught:
            back_up(make_source(faulty_server, *two))

        assert two[1] in caught.value.what
        assert not caught.value.transient

    @pytest.mark.parametrize("status", ["red", "grey"])
    def test_one_that_is_not_well_is_backed_up_with_a_warning(
        self,
        status: str,
        two: tuple[str, str],
        standin: QdrantStandIn,
        faulty_server: QdrantServer,
        make_source: MakeSource,
    ) -> None:
        standin.set_faults(collection_status={two[1]: status})

        sink, report = back_up(make_source(faulty_server, *two))

        [warning] = report.warnings
        assert f"{two[1]!r} is {status}" in warning
        assert report.missing == {}
        assert taken(sink, two[1])

    def test_one_that_is_being_indexed_is_well(
        self,
        two: tuple[str, str],
        standin: QdrantStandIn,
        faulty_server: QdrantServer,
        make_source: MakeSource,
    ) -> None:
        standin.set_faults(collection_status={two[1]: "yellow"})

        assert back_up(make_source(faulty_server, *two))[1].warnings == ()

    def test_dead_replicas_are_a_warning(
        self,
        two: tuple[str, str],
        standin: QdrantStandIn,
        faulty_server: QdrantServer,
        make_source: MakeSource,
    ) -> None:
        standin.set_faults(remote_shards=[0], remote_state="Dead")

        _, report = back_up(make_source(faulty_server, two[0]))

        [warning] = report.warnings
        assert "shard 0 is Dead" in warning

    def test_a_server_in_recovery_mode_is_a_warning(
        self,
        two: tuple[str, str],
        standin: QdrantStandIn,
        faulty_server: QdrantServer,
        make_source: MakeSource,
    ) -> None:
        standin.set_faults(recovery_mode=True)

        _, report = back_up(make_source(faulty_server, *two))

        [warning] = report.warnings
        assert "recovery mode" in warning

    def test_where_nothing_can_be_read_recovery_mode_is_the_reason(
        self,
        two: tuple[str, str],
        standin: QdrantStandIn,
        faulty_server: QdrantServer,
        make_source: MakeSource,
    ) -> None:
        standin.set_faults(recovery_mode=True, create_status=500)

        with pytest.raises(SourceError, match="recovery mode") as caught:
            back_up(make_source(faulty_server, *two))

        assert "without that mode" in caught.value.remedy


class TestEveryCollection:
    @pytest.fixture
    def report(self, tmp_path: Path) -> ComponentReport:
        """Of `*` on a server with a collection of a drill under way."""
        with (
            QdrantStandIn(tmp_path / "standin") as server,
            open_client(server.url) as client,
        ):
            for name in ("documents", "onyx-restore-notes", new_scratch_name()):
                client.create_collection(name, vectors_config=_VECTORS)
                client.upsert(name, points=sample_points(1), wait=True)
            return back_up(QdrantSource(server.url, state_dir=tmp_path / "state"))[1]

    def test_leaves_out_what_drills_and_restores_make_for_themselves(
        self, report: ComponentReport
    ) -> None:
        assert report.summary["collections_count"] == 2
        assert (report.missing, report.warnings) == ({}, ())
