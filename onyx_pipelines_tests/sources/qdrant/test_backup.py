"""A backup has a snapshot and the facts of every collection, and leaves nothing on the server."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from qdrant_client import models

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import Progress, silent
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines.sources.source import Component, ComponentStatus, object_path
from onyx_pipelines_tests.fixtures_qdrant import (
    MakeCollection,
    MakeSource,
    QdrantServer,
    back_up,
    facts_in,
    journal_in,
    snapshot_in,
)
from onyx_pipelines_tests.recording_sink import RecordingSink


def test_the_snapshot_is_the_servers_bytes_and_gone_from_the_server(
    qdrant_server: QdrantServer,
    make_collection: MakeCollection,
    make_source: MakeSource,
    tmp_path: Path,
) -> None:
    name = make_collection()

    sink, report = back_up(make_source(qdrant_server, name))

    facts = facts_in(sink, name)
    data = snapshot_in(sink, name)
    assert report.status is ComponentStatus.COMPLETED
    assert facts.snapshot_bytes == len(data)
    assert facts.snapshot_sha256 == hashlib.sha256(data).hexdigest()
    assert facts.checksum_source == "server"
    assert qdrant_server.snapshots(name) == []
    assert journal_in(tmp_path / "state") == []


def test_the_report_counts_what_was_backed_up(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    names = [make_collection(points=7), make_collection(points=5)]

    sink, report = back_up(make_source(qdrant_server, *names, sample_points=4, all_up_to=5))

    assert report.component is Component.QDRANT
    assert report.summary["vector_count"] == 12
    assert report.summary["collections_count"] == 2
    assert report.summary["sampled_points_count"] == 9
    assert report.summary["snapshot_bytes"] == sum(len(snapshot_in(sink, n)) for n in names)
    assert report.versions["qdrant"] == qdrant_server.request_version()
    assert report.warnings == ()


def test_only_the_chosen_collections_are_read(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    chosen = make_collection()
    make_collection()

    sink, _ = back_up(make_source(qdrant_server, chosen))

    assert sorted(sink.objects) == sorted(
        [
            object_path("qdrant", chosen, suffix=".snapshot"),
            object_path("facts", "qdrant", chosen, suffix=".json"),
            "qdrant/aliases.json",
        ]
    )


def test_aliases_are_kept_as_no_snapshot_has_them(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection()
    alias = f"alias of {name}"
    create = models.CreateAlias(collection_name=name, alias_name=alias)
    qdrant_server.client.update_collection_aliases(
        [models.CreateAliasOperation(create_alias=create)]
    )

    sink, _ = back_up(make_source(qdrant_server, name))

    assert json.loads(sink.objects["qdrant/aliases.json"].data)["aliases"][alias] == name
    assert facts_in(sink, name).aliases == (alias,)


def test_an_empty_collection_is_backed_up(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection(points=0)

    sink, report = back_up(make_source(qdrant_server, name))

    facts = facts_in(sink, name)
    assert report.status is ComponentStatus.COMPLETED
    assert (facts.points_before, facts.sample, facts.query) == (0, (), None)
    assert snapshot_in(sink, name)


def test_no_collection_at_all_is_fine(tmp_path: Path) -> None:
    with QdrantStandIn(tmp_path / "standin") as server:
        sink, report = back_up(QdrantSource(server.url, state_dir=tmp_path / "state"))

    assert list(sink.objects) == ["qdrant/aliases.json"]
    assert report.status is ComponentStatus.COMPLETED
    assert report.summary["collections_count"] == 0


@pytest.mark.parametrize(
    "name",
    [
        "with some spaces",
        "Größe-数据-🦀",
        "100%25 & more+#1;=",
        "..hidden..",
        "UPPER and upper",
        "~tilde'quote(s)",
        "l" * 190,
    ],
)
def test_awkward_names_that_a_server_allows_are_backed_up(
    name: str,
    qdrant_server: QdrantServer,
    make_collection: MakeCollection,
    make_source: MakeSource,
) -> None:
    make_collection(name, points=3)

    sink, report = back_up(make_source(qdrant_server, name))

    assert report.status is ComponentStatus.COMPLETED
    assert facts_in(sink, name).collection == name
    assert sink.objects[object_path("qdrant", name, suffix=".snapshot")].name == name
    assert qdrant_server.snapshots(name) == []


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_is_a_path_is_no_collection(
    name: str, qdrant_server: QdrantServer, make_source: MakeSource
) -> None:
    with pytest.raises(SourceError, match="has no collection"):
        make_source(qdrant_server, name).back_up(RecordingSink(), silent)


def test_that_no_chosen_collection_is_there_is_a_failure_before_anything_is_written(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    present = make_collection()
    sink = RecordingSink()

    with pytest.raises(SourceError) as caught:
        make_source(qdrant_server, "not-there").back_up(sink, silent)

    assert "has no collection not-there" in caught.value.what
    assert "ONYX_QDRANT_COLLECTIONS" in caught.value.remedy
    assert present in caught.value.remedy
    assert not caught.value.transient
    assert sink.objects == {}


def test_progress_ends_with_all_bytes_of_each_collection(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection()
    seen: list[Progress] = []
    sink = RecordingSink()

    make_source(qdrant_server, name).back_up(sink, seen.append)

    size = len(snapshot_in(sink, name))
    assert (seen[-1].item, seen[-1].done_bytes, seen[-1].total_bytes) == (name, size, size)
    assert seen[-1].finished


def test_describe_names_server_and_collections_and_makes_no_snapshot(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection()

    text = make_source(qdrant_server, name).describe()

    assert qdrant_server.url in text
    assert qdrant_server.request_version() in text
    assert name in text
    assert qdrant_server.snapshots(name) == []


def test_two_backups_one_after_the_other_both_succeed(
    qdrant_server: QdrantServer, make_collection: MakeCollection, make_source: MakeSource
) -> None:
    name = make_collection()
    source = make_source(qdrant_server, name)

    reports = [back_up(source)[1], back_up(source)[1]]

    assert [each.status for each in reports] == [ComponentStatus.COMPLETED] * 2
    assert qdrant_server.snapshots(name) == []
