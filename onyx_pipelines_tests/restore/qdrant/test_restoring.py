"""A collection comes back beside the one that is there, and replaces it only if it is the same."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from qdrant_client import models

from onyx_pipelines.core.errors import NotFoundError, RestoreError, SettingsError
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.qdrant.leftovers import Leftovers
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines_tests.fixtures_qdrant import MakeCollection, QdrantServer, set_alias
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets

OTHER_VECTORS = models.VectorParams(size=3, distance=models.Distance.DOT)


def in_place(result: ComponentResult) -> list[tuple[Verdict, str]]:
    return [(f.verdict, f.message) for f in result.findings if f.aspect == "in place"]


def lose_points(server: QdrantServer, collection: str) -> None:
    server.client.delete(collection, points_selector=[1, 2, 3], wait=True)


class TestARestoredCollection:
    def test_has_the_points_of_the_set(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name)
        lose_points(qdrant_server, name)

        result = sets.restore(objects)

        assert result.verdict is Verdict.PASSED, result.problems()
        assert sets.count(name) == 20
        assert in_place(result) == [(Verdict.PASSED, f"Put in place: collection {name}.")]

    def test_leaves_no_other_collection_no_snapshot_and_no_journal(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name)
        before = sets.collections()

        sets.restore(objects)

        assert sets.collections() == before
        assert qdrant_server.snapshots(name) == []
        assert list((sets.root / "state" / "restores").iterdir()) == []

    def test_is_made_where_there_is_none(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name)
        qdrant_server.client.delete_collection(name)

        result = sets.restore(objects)

        assert result.verdict is Verdict.PASSED, result.problems()
        assert sets.count(name) == 20

    def test_can_have_another_name(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name)
        lose_points(qdrant_server, name)

        sets.restore(objects, collections=(name,), into=f"{name}-copy")

        counts = (sets.count(f"{name}-copy"), sets.count(name))
        qdrant_server.client.delete_collection(f"{name}-copy")
        assert counts == (20, 17)

    def test_replaces_one_with_another_number_of_shards(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        """Which a server refuses to upload over."""
        name = make_collection()
        objects = sets.of(name)
        qdrant_server.client.delete_collection(name)
        vectors = models.VectorParams(size=8, distance=models.Distance.COSINE)
        qdrant_server.client.create_collection(name, vectors_config=vectors, shard_number=3)

        result = sets.restore(objects)

        after = qdrant_server.request("GET", f"/collections/{name}")
        assert result.verdict is Verdict.PASSED, result.problems()
        assert (sets.count(name), after["config"]["params"]["shard_number"]) == (20, 1)

    def test_replaces_one_with_other_vectors(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name)
        qdrant_server.client.delete_collection(name)
        qdrant_server.client.create_collection(name, vectors_config=OTHER_VECTORS)

        result = sets.restore(objects)

        assert result.verdict is Verdict.PASSED, result.problems()
        assert sets.count(name) == 20

    def test_has_the_configuration_of_the_set_and_not_of_the_one_that_it_replaces(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name)
        before = qdrant_server.request("GET", f"/collections/{name}")
        changes = {
            "hnsw_config": {"m": 4},
            "optimizers_config": {"indexing_threshold": 77},
            "quantization_config": {"scalar": {"type": "int8"}},
            "strict_mode_config": {"enabled": True, "max_query_limit": 50},
            "metadata": {"owner": "somebody"},
            "params": {"on_disk_payload": False},
        }
        qdrant_server.request("PATCH", f"/collections/{name}", json=changes)
        index = {"field_name": "title", "field_schema": "keyword"}
        qdrant_server.request("PUT", f"/collections/{name}/index", json=index)

        result = sets.restore(objects)

        after = qdrant_server.request("GET", f"/collections/{name}")
        assert result.verdict is Verdict.PASSED, result.problems()
        assert (after["config"], after["payload_schema"]) == (before["config"], {})

    def test_reads_of_as_many_nodes_as_before(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        """A server that makes a collection of a snapshot forgets that."""
        name = make_collection()
        fan_out = {"read_fan_out_factor": 2, "read_fan_out_delay_ms": 30}
        qdrant_server.request("PATCH", f"/collections/{name}", json={"params": fan_out})
        objects = sets.of(name)
        qdrant_server.client.delete_collection(name)

        result = sets.restore(objects)

        params = qdrant_server.request("GET", f"/collections/{name}")["config"]["params"]
        assert result.verdict is Verdict.PASSED, result.problems()
        assert fan_out.items() <= params.items()

    def test_keeps_the_aliases_that_it_had(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name)
        set_alias(qdrant_server, f"{name}-new", name)

        sets.restore(objects)

        aliases = qdrant_server.client.get_collection_aliases(name).aliases
        assert [each.alias_name for each in aliases] == [f"{name}-new"]

    def test_is_switched_to_where_an_alias_has_its_name(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name, other = make_collection(), make_collection(points=5)
        objects = sets.of(name)
        qdrant_server.client.delete_collection(name)
        set_alias(qdrant_server, name, other)
        before = sets.collections()

        result = sets.restore(objects)

        counts = (sets.count(name), sets.count(other))
        (new,) = sets.collections() - before
        qdrant_server.client.delete_collection(new)
        assert result.verdict is Verdict.PASSED, result.problems()
        assert counts == (20, 5)
        assert f"{other}, which it meant, is still there" in in_place(result)[0][1]

    def test_gets_its_aliases_back(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name, other = make_collection(), make_collection()
        set_alias(qdrant_server, f"{name}-live", name)
        objects = sets.of(name)
        set_alias(qdrant_server, f"{name}-live", other)

        result = sets.restore(objects)

        aliases = qdrant_server.client.get_collection_aliases(name).aliases
        assert result.verdict is Verdict.PASSED, result.problems()
        assert [each.alias_name for each in aliases] == [f"{name}-live"]


def one_point_more(facts: dict[str, Any]) -> None:
    facts["points_before"] += 1
    facts["points_after"] += 1


def of_a_newer_server(facts: dict[str, Any]) -> None:
    facts["server_version"] = "99.1.0"


class TestWhatWasThereStays:
    def test_if_the_restored_data_is_not_the_same(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name, edit=one_point_more)
        lose_points(qdrant_server, name)
        before = sets.collections()

        result = sets.restore(objects)

        assert result.verdict is Verdict.FAILED
        assert in_place(result)[0][0] is Verdict.FAILED
        assert sets.count(name) == 17
        assert sets.collections() == before

    def test_unless_somebody_has_read_the_differences_and_wants_it(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name, edit=one_point_more)
        lose_points(qdrant_server, name)
        before = sets.collections()
        sets.restore(objects)

        forced = sets.restore(objects, force=True)

        assert (forced.verdict, forced.unfinished) == (Verdict.FAILED, ())
        assert in_place(forced)[0][0] is Verdict.PASSED
        assert "despite 1 difference," in str(forced.findings)
        assert (sets.count(name), sets.collections()) == (20, before)

    def test_if_the_server_is_older_than_the_snapshot(
        self, sets: QdrantSets, make_collection: MakeCollection
    ) -> None:
        objects = sets.of(make_collection(), edit=of_a_newer_server)

        with pytest.raises(RestoreError, match=r"is of 99\.1\.0, which it may not read"):
            sets.restore(objects)

    def test_if_the_set_has_no_such_collection(
        self, sets: QdrantSets, make_collection: MakeCollection
    ) -> None:
        objects = sets.of(make_collection())

        with pytest.raises(NotFoundError, match="has no collection lost"):
            sets.restore(objects, collections=("lost",))

    def test_if_two_collections_would_get_one_name(
        self, sets: QdrantSets, make_collection: MakeCollection
    ) -> None:
        objects = sets.of(make_collection(), make_collection())

        with pytest.raises(SettingsError, match="is for one collection, and 2"):
            sets.restore(objects, into="both")


class TestAfterAnInterruption:
    def test_what_was_left_beside_is_deleted_and_nothing_else(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        left = make_collection("onyx-restore-0123456789ab", points=2)
        theirs = make_collection("onyx-restore-of-somebody-else", points=2)
        journal = Leftovers(sets.root / "state", qdrant_server.url)
        journal.begin(left)
        journal.begin(theirs)

        sets.restore(sets.of(name))

        assert left not in sets.collections()
        assert theirs in sets.collections()

    def test_what_an_alias_means_stays(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        """The last one was killed after it had switched the alias."""
        name = make_collection()
        switched = make_collection(f"{name}-live-20261126T120000-0a1b2c", points=3)
        set_alias(qdrant_server, f"{name}-live", switched)
        Leftovers(sets.root / "state", qdrant_server.url).begin(switched)

        sets.restore(sets.of(name))

        assert sets.count(f"{name}-live") == 3

    def test_aliases_that_went_with_a_collection_are_set_again(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        """Unless somebody has set them to something else meanwhile."""
        name, other = make_collection(), make_collection(points=5)
        objects = sets.of(name)
        journal = Leftovers(sets.root / "state", qdrant_server.url)
        journal.keep_aliases({f"{name}-a": name, f"{name}-b": name, "of-a-lost-one": "lost"})
        qdrant_server.client.delete_collection(name)
        set_alias(qdrant_server, f"{name}-b", other)

        sets.restore(objects)

        left = Leftovers(sets.root / "state", qdrant_server.url).aliases
        assert (sets.count(f"{name}-a"), sets.count(f"{name}-b")) == (20, 5)
        assert left == {"of-a-lost-one": "lost"}


class TestThePlan:
    def test_says_what_is_replaced_and_touches_nothing(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name, gone = make_collection(), make_collection()
        objects = sets.of(name, gone)
        lose_points(qdrant_server, name)
        qdrant_server.client.delete_collection(gone)
        before = sets.collections()

        changes = {change.what: change for change in sets.plan(objects)}

        assert changes[f"collection {name}"].overwrites
        assert "has 17 points" in changes[f"collection {name}"].detail
        assert not changes[f"collection {gone}"].overwrites
        assert "needs up to" in changes[f"collection {name}"].detail
        assert "at its peak, 3.4 times the snapshot" in changes[f"collection {name}"].detail
        assert "at its peak, 2.4 times the snapshot" in changes[f"collection {gone}"].detail
        assert sets.collections() == before


@contextmanager
def a_forwarded_port(url: str) -> Iterator[str]:
    """Another address of the same server."""
    there = urlsplit(url)

    class Forward(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((there.hostname or "", there.port or 80)) as onward:
                back = threading.Thread(target=pump, args=(onward, self.request))
                back.start()
                pump(self.request, onward)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Forward) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class TestADrillOnAServer:
    def test_that_is_the_source_is_refused_and_leaves_nothing_there(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        objects = sets.of(make_collection())
        before = sets.collections()

        with pytest.raises(RestoreError, match="is the one that is backed up"):
            sets.drill(objects, drill_qdrant_url=qdrant_server.url)

        assert sets.collections() == before

    def test_that_is_the_source_under_another_name_is_refused(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        """Nothing but the identity of the process tells that the two are one."""
        objects = sets.of(make_collection())

        with (
            a_forwarded_port(qdrant_server.url) as other,
            pytest.raises(RestoreError, match="is the one that is backed up"),
        ):
            sets.drill(objects, drill_qdrant_url=other)

    def test_passes_and_leaves_nothing_there(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name)
        before = sets.collections()

        result = sets.drill(objects, qdrant_url="", drill_qdrant_url=qdrant_server.url)

        assert result.verdict is Verdict.PASSED, result.problems()
        assert sets.collections() == before
        assert qdrant_server.request_version() in result.versions["restore_engine"]

    def test_names_what_is_missing(
        self, sets: QdrantSets, qdrant_server: QdrantServer, make_collection: MakeCollection
    ) -> None:
        name = make_collection()
        objects = sets.of(name, edit=one_point_more)

        result = sets.drill(objects, qdrant_url="", drill_qdrant_url=qdrant_server.url)

        assert [(f.item, f.aspect) for f in result.problems()] == [(name, "points")]


def test_a_journal_that_is_damaged_begins_anew(tmp_path: Path) -> None:
    journal = Leftovers(tmp_path, "http://host:1")
    journal.begin("onyx-restore-0123456789ab")
    (path,) = (tmp_path / "restores").iterdir()
    path.write_text(json.dumps({"beside": 3}))

    assert Leftovers(tmp_path, "http://host:1").staged == ()


def test_what_an_earlier_version_noted_is_known_and_kept_under_its_name(tmp_path: Path) -> None:
    journal = Leftovers(tmp_path, "http://host:1")
    journal.begin("a")
    (path,) = (tmp_path / "restores").iterdir()
    path.write_text(json.dumps({"beside": ["b"]}))

    journal = Leftovers(tmp_path, "http://host:1")
    journal.begin("c")

    assert json.loads(path.read_text())["beside"] == ["b", "c"]
