"""The server keeps every uploaded file: a restore leaves none there, whatever becomes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import httpx
import pytest
from pydantic import SecretStr
from qdrant_client import models

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.qdrant.collections import collections_of
from onyx_pipelines.restore.qdrant.journaled_server import JournaledServer
from onyx_pipelines.restore.qdrant.leftovers import Leftovers
from onyx_pipelines.restore.qdrant.server import TargetQdrant, address_of
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.qdrant_standin.snapshot_files import disk_usage
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.snapshot_api import open_http
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.fixtures_qdrant import QdrantServer, open_client, sample_points
from onyx_pipelines_tests.restore.qdrant.conftest import sets_in
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets, work_on
from onyx_pipelines_tests.waiting import wait_until


def kept_files(standin: QdrantStandIn) -> list[Path]:
    """Also those that no call lists."""
    return sorted((standin.data_dir / "snapshots").rglob("*.snapshot"))


def is_unpacking(standin: QdrantStandIn) -> bool:
    lines = httpx.get(f"{standin.url}/metrics").text.splitlines()
    return any(re.match(r"snapshot_recovery_running\{.*\} [1-9]", each) for each in lines)


@contextmanager
def journaled(
    sets: QdrantSets,
    objects: SetObjects,
    at_request: Callable[[httpx.Request], None],
    *,
    host: str = "",
) -> Iterator[JournaledServer]:
    """`host`: as which the server is known."""
    server, settings = sets.server, sets.settings()
    address = address_of(RestoreChoice(), settings)
    if host:
        address = replace(address, url=address.url.replace("127.0.0.1", host))
    with open_http(server.url, SecretStr(""), read_timeout_s=60) as http:
        http.event_hooks["request"] = [at_request]
        errors = QdrantErrors(server.url, SecretStr(""))
        yield JournaledServer(
            TargetQdrant(address, http, errors),
            work_on(objects, sets.root, settings),
        )


@pytest.mark.parametrize(("host", "is_checked"), [("127.0.0.1", False), ("qdrant", True)])
def test_the_sum_is_checked_by_a_server_beyond_a_network_only(
    host: str, is_checked: bool, faulty_sets: QdrantSets, faulty_collection: str
) -> None:
    objects = faulty_sets.of(faulty_collection)
    [collection] = collections_of(objects).whole
    asked: list[str | None] = []

    def note(request: httpx.Request) -> None:
        if request.url.path.endswith("/upload"):
            asked.append(request.url.params.get("checksum"))

    with journaled(faulty_sets, objects, note, host=host) as server:
        name = server.begin_staged()
        server.upload_as(name, collection)
        server.take_away(name)

    assert asked == [collection.facts.snapshot_sha256 if is_checked else None]


def test_another_snapshot_than_the_one_that_was_read_is_not_uploaded(
    faulty_sets: QdrantSets, faulty_collection: str
) -> None:
    objects = faulty_sets.of(faulty_collection, edit=lambda facts: facts.update(snapshot_sha256=""))

    result = faulty_sets.restore(objects)

    assert result.verdict is Verdict.FAILED
    [finding] = result.findings
    assert "its checksum is another" in finding.message


class TestAFileThatWasUploaded:
    def test_is_deleted_before_its_collection_is(
        self, faulty_sets: QdrantSets, faulty_collection: str
    ) -> None:
        objects = faulty_sets.of(faulty_collection)
        [collection] = collections_of(objects).whole
        deleted: list[str] = []

        def note(request: httpx.Request) -> None:
            if request.method == "DELETE":
                deleted.append(request.url.path)

        with journaled(faulty_sets, objects, note) as server:
            name = server.begin_staged()
            server.upload_as(name, collection)
            server.take_away(name)

        file, gone = deleted
        assert file.startswith(f"/collections/{name}/snapshots/")
        assert gone == f"/collections/{name}"

    def test_is_deleted_beside_the_comparison(
        self, faulty_sets: QdrantSets, faulty_collection: str
    ) -> None:
        objects = faulty_sets.of(faulty_collection)
        [collection] = collections_of(objects).whole
        is_compared, waited = Event(), list[bool]()

        def wait(request: httpx.Request) -> None:
            if request.method == "DELETE" and "/snapshots/" in request.url.path:
                waited.append(is_compared.wait(timeout=60))
            elif "/points" in request.url.path:
                is_compared.set()

        with journaled(faulty_sets, objects, wait) as server:
            name = server.begin_staged()
            server.upload_as(name, collection)
            findings = server.compare(name, collection)
            server.take_away(name)

        assert (waited, worst(each.verdict for each in findings)) == ([True], Verdict.PASSED)

    def test_is_not_left_where_the_disk_was_full(
        self, faulty_sets: QdrantSets, faulty_collection: str, standin: QdrantStandIn
    ) -> None:
        objects = faulty_sets.of(faulty_collection)
        faulty_sets.server.client.delete_collection(faulty_collection)
        collections, before = faulty_sets.collections(), kept_files(standin)

        standin.set_faults(disk_bytes=0)
        result = faulty_sets.restore(objects)

        assert result.verdict is not Verdict.PASSED
        assert kept_files(standin) == before
        assert faulty_sets.collections() == collections

    def test_leaves_its_room_to_the_next_restore(
        self, faulty_sets: QdrantSets, faulty_collection: str, standin: QdrantStandIn
    ) -> None:
        objects = faulty_sets.of(faulty_collection)
        faulty_sets.server.client.delete_collection(faulty_collection)
        (snapshot,) = (each.snapshot.plain_bytes for each in collections_of(objects).whole)
        used = disk_usage(standin.data_dir)
        standin.set_faults(disk_bytes=used + 2 * snapshot)
        for _ in range(3):
            faulty_sets.restore(objects)

        standin.set_faults(disk_bytes=used + int(2.5 * snapshot))
        result = faulty_sets.restore(objects)

        assert result.verdict is Verdict.PASSED, result.problems()

    def test_is_deleted_by_the_next_restore_where_the_server_refused_that(
        self, faulty_sets: QdrantSets, faulty_collection: str, standin: QdrantStandIn
    ) -> None:
        objects = faulty_sets.of(faulty_collection)
        before = kept_files(standin)
        standin.set_faults(delete_status=500)
        refused = faulty_sets.restore(objects)
        left = {*kept_files(standin)} - {*before}

        standin.set_faults()
        result = faulty_sets.restore(objects)

        assert (refused.verdict, len(left)) == (Verdict.PASSED, 2)
        assert result.verdict is Verdict.PASSED
        assert kept_files(standin) == before

    def test_is_deleted_where_its_collection_is_gone(
        self, faulty_sets: QdrantSets, faulty_collection: str, standin: QdrantStandIn
    ) -> None:
        left = left_behind(faulty_sets, standin, "gone")

        faulty_sets.restore(faulty_sets.of(faulty_collection))

        assert not left.exists()
        assert "gone" not in faulty_sets.collections()

    def test_is_deleted_from_a_collection_that_somebody_made_since(
        self, faulty_sets: QdrantSets, faulty_collection: str, standin: QdrantStandIn
    ) -> None:
        left = left_behind(faulty_sets, standin, "made-since", is_bare=True)
        vectors = {"size": 3, "distance": "Dot"}
        faulty_sets.server.request("PUT", "/collections/made-since", json={"vectors": vectors})

        faulty_sets.restore(faulty_sets.of(faulty_collection))

        is_there = "made-since" in faulty_sets.collections()
        faulty_sets.server.client.delete_collection("made-since")
        assert (left.exists(), is_there) == (False, True)

    def test_takes_the_bare_collection_with_it_that_a_killed_call_made_for_that(
        self, faulty_sets: QdrantSets, faulty_collection: str, standin: QdrantStandIn
    ) -> None:
        left = left_behind(faulty_sets, standin, "made-bare", is_bare=True)
        faulty_sets.server.request("PUT", "/collections/made-bare", json={"vectors": {}})

        faulty_sets.restore(faulty_sets.of(faulty_collection))

        assert (left.exists(), "made-bare" in faulty_sets.collections()) == (False, False)


def test_a_server_that_dies_while_it_unpacks_keeps_the_file_until_the_next_restore(
    tmp_path: Path,
) -> None:
    with QdrantStandIn(tmp_path / "standin") as standin, open_client(standin.url) as client:
        sets = sets_in(tmp_path, QdrantServer(standin.url, "", client))
        vectors = models.VectorParams(size=8, distance=models.Distance.COSINE)
        client.create_collection("docs", vectors_config=vectors)
        client.upsert("docs", points=sample_points(20), wait=True)
        objects = sets.of("docs")
        standin.set_faults(recover_delay_s=600)

        with ThreadPoolExecutor() as pool:
            restoring = pool.submit(sets.restore, objects)
            wait_until(lambda: is_unpacking(standin), "an upload is unpacked")
            standin.kill()
            assert isinstance(restoring.exception(), SourceError)
        left = kept_files(standin)
        standin.start()
        result = sets.restore(objects)

        assert result.verdict is Verdict.PASSED, result.problems()
        assert (len(left), kept_files(standin), sets.count("docs")) == (1, [], 20)
        assert sets.collections() == {"docs"}


def left_behind(
    sets: QdrantSets, standin: QdrantStandIn, collection: str, *, is_bare: bool = False
) -> Path:
    """A file of an upload that a kill cut short."""
    journal = Leftovers(sets.root / "state", sets.server.url)
    upload = journal.begin_upload(collection)
    if is_bare:
        journal.make_bare(upload)
    file = standin.data_dir / "snapshots" / collection / upload.file
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"left")
    return file
