"""One JSON file in the S3 store, by somebody with its credentials and no key: it does not count."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.metrics_page import MetricsPage
from onyx_pipelines.backup import offsite_copies, retained_sets
from onyx_pipelines.core.progress import silent
from onyx_pipelines.orchestration.notification_sensors import overdue_backup
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines.vault.layout import manifest_key
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines_tests.attacks.forging import forge_set, later
from onyx_pipelines_tests.backup.job_runs import checks_of, run_job
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

YEAR_2099 = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture
def host(sandbox: Sandbox, volume_host: HostUnderTest) -> HostUnderTest:
    """One volume, backed up into a directory and into S3."""
    environment = sandbox.environment()
    names = ("S3_ENDPOINT_URL", "S3_REGION", "S3_ACCESS_KEY_ID")
    volume_host.set(**{name: environment[f"ONYX_{name}"] for name in names})
    volume_host.patch.setenv(
        "ONYX_S3_SECRET_ACCESS_KEY_FILE", environment["ONYX_S3_SECRET_ACCESS_KEY_FILE"]
    )
    volume_host.set(OFFSITE_URL=f"s3://{sandbox.s3.bucket}/attack-{uuid.uuid4()}")
    return volume_host


@pytest.fixture
def real(host: HostUnderTest) -> str:
    """The id of the only real set."""
    return host.run().backup_id


def s3(host: HostUnderTest) -> Store:
    store = host.open().copies[0]
    assert store is not None
    return store


def forged(host: HostUnderTest, real: str, at: datetime | None = None) -> str:
    return forge_set(s3(host), real, at=at or later(host.manifest(real).timestamp))


def test_pruning_keeps_the_real_set_in_both_stores(host: HostUnderTest, real: str) -> None:
    forged(host, real)

    answer = host.onyx("prune", "--yes")

    assert host.stores_of(real) == {"local", "offsite"}
    assert "is not trusted: It was not signed by test host" in answer.errors
    assert host.intact(real)


def test_retention_keeps_the_set_that_its_run_has_made_however_many_are_newer(
    host: HostUnderTest, real: str
) -> None:
    host.set(KEEP_DAILY=1, KEEP_WEEKLY=0, KEEP_MONTHLY=0)
    made = host.manifest(real).timestamp
    for minutes in range(1, 8):
        forged(host, real, made + timedelta(minutes=minutes))

    afterwards = made + timedelta(hours=1)
    retained_sets.apply_retention(host.open(), now=afterwards, dry_run=False)

    assert host.stores_of(real) == {"local", "offsite"}


def test_a_nightly_run_tells_of_it_and_keeps_its_own_set(host: HostUnderTest, real: str) -> None:
    for days in range(7):
        forged(host, real, datetime.now(UTC) + timedelta(days=days, hours=1))

    with dg.DagsterInstance.ephemeral() as instance:
        result = run_job(instance)

    assert result.success
    assert host.stores_of(result.run_id) == {"local", "offsite"}
    assert checks_of(result)["backup_retention:every_set_is_trusted"] == (False, "ERROR")


def test_the_doctor_finds_it(host: HostUnderTest, real: str) -> None:
    forgery = forged(host, real)

    answer = host.onyx("doctor", "--json")

    (found,) = [each for each in answer.json if each["name"] == "sets in offsite"]
    assert answer.status == 1
    assert forgery in found["detail"]
    assert "onyx keys sign" in found["remedy"]


def test_it_is_listed_as_untrusted_and_never_pruned(host: HostUnderTest, real: str) -> None:
    forgery = forged(host, real, datetime(2020, 1, 1, tzinfo=UTC))

    host.onyx("prune", "--yes")

    assert host.listed() == [real]
    (found,) = host.open().catalog.untrusted
    assert (found.store, found.backup_id) == ("offsite", forgery)
    assert s3(host).stat(manifest_key(forgery)) is not None
    (row,) = [each for each in host.onyx("catalog", "list", "--json").json if each["problem"]]
    assert (row["backup_id"], row["status"], row["timestamp"]) == (forgery, "untrusted", None)
    assert "untrusted" in host.onyx("catalog", "list").output


def test_latest_is_the_real_set(host: HostUnderTest, real: str) -> None:
    forgery = forged(host, real, YEAR_2099)

    answer = host.onyx("restore", "latest", "--from", "offsite", "--plan", "--json")

    assert answer.status == 0, answer.errors
    assert answer.json["backup_id"] == real
    assert forgery in answer.everything


def test_the_metric_of_the_last_success_is_that_of_the_real_set(
    host: HostUnderTest, real: str
) -> None:
    forged(host, real, YEAR_2099)

    page = MetricsPage(host.settings, CatalogCache(host.settings)).render().decode()

    told = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    newest = float(told["onyx_backup_last_success_timestamp_seconds"])
    assert newest == pytest.approx(host.manifest(real).timestamp.timestamp(), abs=1)
    assert float(told['onyx_backup_sets{store="offsite"}']) == 1
    assert float(told['onyx_untrusted_sets{store="offsite"}']) == 1


def test_a_backup_is_overdue_whatever_a_stranger_dates_ahead(
    host: HostUnderTest, real: str
) -> None:
    forged(host, real, YEAR_2099)

    event = overdue_backup(host.settings, datetime.now(UTC) + timedelta(days=3))

    assert event is not None
    assert event.run_id == real


def test_a_forged_manifest_in_the_place_of_the_real_one_hides_nothing(
    host: HostUnderTest, real: str
) -> None:
    store, key = s3(host), manifest_key(real)
    document = json.loads(store.get(key)) | {"host": "a stranger's"}
    store.put(key, f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode())

    (view,) = host.open().catalog.sets()

    assert (view.backup_id, view.stores) == (real, ("local",))
    assert view.manifest.host == "test-host"
    assert [each.backup_id for each in host.open().catalog.untrusted] == [real]


def test_the_next_copy_puts_the_real_manifest_back(host: HostUnderTest, real: str) -> None:
    store, key = s3(host), manifest_key(real)
    before = store.get(key)
    store.put(key, before.replace(b"test-host", b"evil-host"))

    offsite_copies.copy_offsite(host.open(), None, silent)

    assert store.get(key) == before
