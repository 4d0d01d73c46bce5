"""A set that is not what it was is said wherever sets are told of, by a listing alone."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest

from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.metrics_page import MetricsPage
from onyx_pipelines.backup import verifying
from onyx_pipelines.backup.doctor import examine
from onyx_pipelines.core.progress import silent
from onyx_pipelines_tests.api.conftest import Api, make_api
from onyx_pipelines_tests.backup.job_runs import checks_of, run_job
from onyx_pipelines_tests.fixtures_sandbox import DEAD_URL, HostUnderTest, cut_manifest
from onyx_pipelines_tests.planting import flip_a_byte, plant

Damaging = Callable[[HostUnderTest, str], None]


def _cut_the_manifest(host: HostUnderTest, backup_id: str) -> None:
    for store in (host.backups, host.offsite_dir):
        cut_manifest(store, backup_id)


def _lose_an_object(host: HostUnderTest, backup_id: str) -> None:
    for store in ("backups", "offsite"):
        host.first_object(backup_id, store=store).unlink()


def _cut_an_object(host: HostUnderTest, backup_id: str) -> None:
    for store in ("backups", "offsite"):
        plant(host.first_object(backup_id, store=store), lambda data: data[:-1])


def _rot_and_be_found(host: HostUnderTest, backup_id: str) -> None:
    """As long as it was: only a verification can tell, and did."""
    for store in ("backups", "offsite"):
        flip_a_byte(host.first_object(backup_id, store=store))
    for each in host.open().stores:
        assert not verifying.verify_set(host.open(), each, backup_id, silent).ok


DAMAGES: dict[str, tuple[Damaging, str]] = {
    "manifest cut": (_cut_the_manifest, "is damaged"),
    "object missing": (_lose_an_object, "is missing"),
    "object cut": (_cut_an_object, "1 bytes shorter"),
    "found rotten": (_rot_and_be_found, "its last verification failed"),
}


@pytest.fixture
def host(volume_host: HostUnderTest) -> HostUnderTest:
    """Without a Dagster that could be asked."""
    volume_host.set(DAGSTER_URL=DEAD_URL)
    return volume_host


@pytest.fixture
def backup_id(host: HostUnderTest) -> str:
    return host.run().backup_id


@pytest.fixture
def api(host: HostUnderTest) -> Api:
    return make_api(host)


@pytest.fixture(params=DAMAGES)
def said(request: pytest.FixtureRequest, host: HostUnderTest, backup_id: str) -> str:
    """What is said of a set that is damaged in every store."""
    damage, words = DAMAGES[request.param]
    damage(host, backup_id)
    return words


def metrics_of(host: HostUnderTest) -> dict[str, float]:
    page = MetricsPage(host.settings, CatalogCache(host.settings)).render().decode()
    lines = (line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


class TestDamagedEverywhere:
    def test_its_status_is_failed_and_says_why(self, api: Api, backup_id: str, said: str) -> None:
        status = api.client().get(f"/api/backup/status/{backup_id}").json()

        assert (status["status"], status["components_completed"]) == ("failed", [])
        assert [said in each for each in status["warnings"]] == [True, True]

    def test_it_is_listed_beside_the_finished_sets(
        self, api: Api, backup_id: str, said: str
    ) -> None:
        listed = api.client().get("/api/backup/sets").json()

        found = {each["store"]: each for each in listed["damaged"]}
        assert set(found) == {"local", "offsite"}
        assert {each["backup_id"] for each in found.values()} == {backup_id}
        assert all(said in each["problem"] for each in found.values())

    def test_a_metric_counts_it_in_each_store(
        self, host: HostUnderTest, backup_id: str, said: str
    ) -> None:
        assert said
        assert metrics_of(host)['onyx_damaged_sets{store="local"}'] == 1
        assert metrics_of(host)['onyx_damaged_sets{store="offsite"}'] == 1

    def test_the_doctor_finds_it(self, host: HostUnderTest, backup_id: str, said: str) -> None:
        found = {each.name: each for each in examine(host.settings)}

        for store in ("local", "offsite"):
            assert not found[f"sets in {store}"].ok
            assert said in found[f"sets in {store}"].detail
            assert "onyx verify" in found[f"sets in {store}"].remedy

    def test_a_check_of_its_own_tells_people_and_no_other_does(
        self, host: HostUnderTest, backup_id: str, said: str
    ) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            result = run_job(instance, "prune_backups")

        assert result.success
        checks = checks_of(result)
        assert checks["backup_retention:every_set_is_whole"] == (False, "ERROR")
        assert checks["backup_retention:every_set_is_trusted"][0]
        assert checks["backup_retention:stores_are_sound"][0]


class TestDamagedInOneStore:
    @pytest.fixture(autouse=True)
    def _lost(self, host: HostUnderTest, backup_id: str) -> None:
        host.first_object(backup_id).unlink()

    def test_it_is_completed_with_a_warning(self, api: Api, backup_id: str) -> None:
        status = api.client().get(f"/api/backup/status/{backup_id}").json()
        shown = api.client().get(f"/api/backup/sets/{backup_id}").json()

        assert (status["status"], shown["status"]) == ("completed", "completed")
        assert shown["stores"] == ["offsite"]
        for answer in (status, shown):
            (warning,) = answer["warnings"]
            assert "the local store" in warning
            assert "is missing" in warning

    def test_the_check_warns(self, host: HostUnderTest) -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            result = run_job(instance, "prune_backups")

        assert checks_of(result)["backup_retention:every_set_is_whole"] == (False, "WARN")


def test_one_that_is_whole_nowhere_is_no_finished_set(
    api: Api, host: HostUnderTest, backup_id: str
) -> None:
    _lose_an_object(host, backup_id)

    answer = api.client().get(f"/api/backup/sets/{backup_id}")

    assert answer.status_code == 409
    assert "is missing" in answer.json()["detail"]


def test_a_store_that_is_gone_does_not_hide_that_the_other_has_it(
    api: Api, host: HostUnderTest, backup_id: str
) -> None:
    host.offsite_dir.rename(host.root / "unmounted")

    status = api.client().get(f"/api/backup/status/{backup_id}")

    assert status.json()["status"] == "completed"


def test_an_untrusted_set_is_listed_too_and_told_by_one_check(
    api: Api, host: HostUnderTest, backup_id: str
) -> None:
    plant(
        host.backups / "sets" / backup_id / "manifest.json",
        lambda data: data.replace(b"test-host", b"evil-host"),
    )

    listed = api.client().get("/api/backup/sets").json()
    with dg.DagsterInstance.ephemeral() as instance:
        checks = checks_of(run_job(instance, "prune_backups"))

    assert [(each["backup_id"], each["store"]) for each in listed["untrusted"]] == [
        (backup_id, "local")
    ]
    assert checks["backup_retention:every_set_is_trusted"] == (False, "ERROR")
    assert checks["backup_retention:every_set_is_whole"][0]
    assert checks["backup_retention:stores_are_sound"][0]
