"""A set in which something of a component could not be backed up: told everywhere, and no more than
a set beside the good ones where an earlier set has what it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from qdrant_client import models

from onyx_pipelines.api.models import SetAnswer
from onyx_pipelines.api.set_answers import set_answer
from onyx_pipelines.backup import retained_sets
from onyx_pipelines.backup.doctor import examine
from onyx_pipelines.orchestration import endings
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.qdrant_standin.access import make_token
from onyx_pipelines_tests.backup.job_runs import checks_of, metadata_of, run_job
from onyx_pipelines_tests.fixtures_qdrant import DIMENSIONS, open_client, sample_points
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest, make_host

KEY = "the-admins-key"
LONG = "n" * 200
UNWELL = {
    "recovery_mode": True,
    "collection_status": {"documents": "red", "notes": "grey"},
    "remote_shards": [0],
    "remote_state": "Dead",
}
SAID = (
    "the server is in recovery mode",
    "'documents' is red",
    "'notes' is grey",
    "'notes' not every replica is active: shard 0 is Dead",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantStandIn]:
    """With two collections, and one that it cannot snapshot."""
    with QdrantStandIn(tmp_path_factory.mktemp("partial") / "standin", api_key=KEY) as started:
        with open_client(started.url, KEY) as client:
            for name in ("documents", "notes", LONG):
                vectors = models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
                client.create_collection(name, vectors_config=vectors)
                client.upsert(name, points=sample_points(1), wait=True)
            live = models.CreateAlias(collection_name="documents", alias_name="live")
            client.update_collection_aliases([models.CreateAliasOperation(create_alias=live)])
        yield started


def host_of(server: QdrantStandIn, root: Path, patch: pytest.MonkeyPatch) -> HostUnderTest:
    host = make_host(root, patch)
    host.set(QDRANT_URL=server.url, QDRANT_API_KEY=KEY)
    return host


def answered(host: HostUnderTest) -> list[SetAnswer]:
    """What the API says of the sets, newest first."""
    opened = host.open()
    return [set_answer(*each) for each in retained_sets.listed_sets(opened, opened.catalog)]


@dataclass(frozen=True)
class Night:
    """One run of the job, and what of it is asked more than once."""

    host: HostUnderTest
    instance: dg.DagsterInstance
    result: dg.ExecuteInProcessResult

    @property
    def manifest(self) -> dict[str, Any]:
        path = self.host.backups / "sets" / self.result.run_id / "manifest.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def night(server: QdrantStandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """Looked at only."""
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        host = host_of(server, tmp_path_factory.mktemp("night"), patch)
        server.set_faults(**UNWELL)
        result = run_job(instance)
        server.set_faults()
        yield Night(host, instance, result)


class TestIsToldEverywhere:
    def test_on_the_asset(self, night: Night) -> None:
        shown = metadata_of(night.result, "qdrant_backup")

        assert (shown["status"], shown["missing_count"]) == ("partial", 1)
        assert "File name too long" in str(shown[f"missing.{LONG}"])
        assert metadata_of(night.result, "backup_set")["status"] == "partial"

    @pytest.mark.parametrize("said", SAID)
    def test_on_the_asset_what_is_not_well_though_it_was_backed_up(
        self, night: Night, said: str
    ) -> None:
        assert said in str(metadata_of(night.result, "qdrant_backup")["warnings"])

    def test_by_doctor_what_is_not_well(self, night: Night, server: QdrantStandIn) -> None:
        server.set_faults(**UNWELL)
        [found] = [each for each in examine(night.host.settings) if each.name == "source qdrant"]
        server.set_faults()

        assert not found.ok
        assert [said for said in SAID if said not in found.detail] == []

    def test_by_the_check_and_so_by_the_notification(self, night: Night) -> None:
        run = night.instance.get_run_by_id(night.result.run_id)
        assert run is not None

        found = {each.name: each for each in endings.checks_of(night.instance, run)}

        assert checks_of(night.result)["backup_set:set_is_complete"] == (False, "WARN")
        assert LONG in found["backup_set: set_is_complete"].sentence
        assert "File name too long" in found["backup_set: set_is_complete"].sentence

    def test_in_the_manifest_which_earlier_versions_read_too(self, night: Night) -> None:
        manifest = night.manifest

        component = manifest["components"]["qdrant"]
        assert component["status"] == manifest["status"] == "completed_with_warnings"
        assert component["summary"]["collections_count"] == 2
        assert "File name too long" in component["summary"][f"missing.{LONG}"]
        assert set(component) == {
            *("component", "status", "started_at", "completed_at", "duration_s", "size_gb"),
            *("checksum", "summary", "versions", "warnings", "keyset", "objects"),
        }

    def test_by_the_api(self, night: Night) -> None:
        assert [each for each in answered(night.host)[0].warnings if LONG in each]

    def test_by_the_command_line(self, night: Night) -> None:
        host = night.host.open()
        shown = night.host.onyx("catalog", "show", night.result.run_id).output

        listed = retained_sets.catalog_rows(host, host.catalog)
        assert [each.status for each in listed] == ["partial"]
        assert "qdrant: partial" in shown
        assert LONG[:60] in shown


class TestRetention:
    @pytest.fixture
    def host(
        self, server: QdrantStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[HostUnderTest]:
        host = host_of(server, tmp_path, monkeypatch)
        host.set(KEEP_DAILY=1, KEEP_WEEKLY=0, KEEP_MONTHLY=0)
        yield host
        server.set_faults()

    def test_what_was_in_no_set_yet_makes_none_doubtful(self, host: HostUnderTest) -> None:
        first = host.run()
        second = host.run()

        assert (first.status, second.status) == ("partial", "partial")
        assert host.manifest(second.backup_id).doubts == ()
        assert host.listed() == [second.backup_id]

    def test_what_an_earlier_set_has_stays_there_however_often_it_cannot_be_read(
        self, host: HostUnderTest, server: QdrantStandIn
    ) -> None:
        good = host.run().backup_id
        server.set_faults(custom_sharding=["documents"])

        later = [host.run() for _ in range(2)]

        assert good in host.listed()
        for each in later:
            assert [p for p in each.problems if "qdrant documents: could not be backed up" in p]

    def test_what_a_key_sees_no_longer_is_named(self, host: HostUnderTest) -> None:
        good = host.run().backup_id
        host.set(QDRANT_API_KEY=make_token(KEY, [{"collection": "notes", "access": "rw"}]))

        fewer = host.run()

        doubts = [each.what for each in host.manifest(fewer.backup_id).doubts]
        gone = "qdrant documents, qdrant alias live: missing, though in the set of"
        assert any(gone in each for each in doubts)
        assert set(doubts) <= set(answered(host)[0].warnings)
        assert good in host.listed()
