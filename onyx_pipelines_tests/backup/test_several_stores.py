"""Stores by list: a backup is written to the first and copied to each of the others, by name."""

from __future__ import annotations

import json
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.metrics_page import MetricsPage
from onyx_pipelines.backup import offsite_copies
from onyx_pipelines.backup.doctor import examine
from onyx_pipelines.backup.secret_hygiene import exposed_files
from onyx_pipelines.cli.app import app
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.process_log import secret_values
from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.restore.drill import choose_set
from onyx_pipelines.restore.finding_sets import find_set
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.vault.stores.moto_server import MotoServer, moto

__all__ = ["moto"]

NOW = datetime.now(UTC)
runner = CliRunner()


def three(host: HostUnderTest, **of_third: object) -> list[dict[str, Any]]:
    places = [{"name": name, "url": str(host.root / name)} for name in ("disk", "nas", "attic")]
    return [*places[:2], places[2] | of_third]


def use(host: HostUnderTest, places: list[dict[str, Any]]) -> HostUnderTest:
    for place in places:
        if place["url"].startswith("/"):
            Path(place["url"]).mkdir(mode=0o700, exist_ok=True)
    host.set(OFFSITE_URL="", STORES=json.dumps(places))
    return host


@pytest.fixture
def host(volume_host: HostUnderTest) -> HostUnderTest:
    return use(volume_host, three(volume_host))


def onyx(*arguments: str) -> Any:
    return runner.invoke(app, list(arguments))


def sets_in(host: HostUnderTest, store: str) -> set[str]:
    folder = host.root / store / "sets"
    return {each.parent.name for each in folder.glob("*/manifest.json")}


class TestABackup:
    def test_is_whole_in_every_store(self, host: HostUnderTest) -> None:
        outcome = host.run()

        assert (outcome.offsite, outcome.problems) == ("copied", ())
        assert host.stores_of(outcome.backup_id) == {"disk", "nas", "attic"}
        assert host.intact(outcome.backup_id)

    def test_reaches_the_other_store_when_one_is_away(self, host: HostUnderTest) -> None:
        shutil.rmtree(host.root / "nas")

        outcome = host.run()

        assert outcome.offsite == "failed"
        assert "nas" in outcome.problems[0]
        assert sets_in(host, "attic") == {outcome.backup_id}

    def test_is_copied_to_the_store_that_was_away_when_it_is_back(
        self, host: HostUnderTest
    ) -> None:
        shutil.rmtree(host.root / "nas")
        backup_id = host.run().backup_id
        (host.root / "nas").mkdir()

        outcome = offsite_copies.copy_offsite(host.open(), None, silent)

        assert [each.target for each in outcome.reports] == ["nas"]
        assert host.stores_of(backup_id) == {"disk", "nas", "attic"}

    def test_is_found_in_a_store_that_none_other_has_left(self, host: HostUnderTest) -> None:
        backup_id = host.run().backup_id
        shutil.rmtree(host.root / "disk")
        shutil.rmtree(host.root / "nas")

        found = find_set(host.settings, "latest", None)

        assert (found.store.name, found.backup_id) == ("attic", backup_id)

    def test_is_drilled_from_a_copy_and_restored_from_the_first(self, host: HostUnderTest) -> None:
        host.run()

        assert choose_set(host.settings, "latest", None).store.name == "nas"
        assert find_set(host.settings, "latest", None).store.name == "disk"


class TestRetention:
    def test_is_each_stores_own(self, volume_host: HostUnderTest) -> None:
        keeps_all = {"keep_daily": 0, "keep_weekly": 0, "keep_monthly": 12}
        host = use(volume_host, three(volume_host, **keeps_all))

        answer = onyx("prune", "--json")

        assert answer.exit_code == 0
        assert json.loads(answer.stdout)["policy"] == "7 daily, 4 weekly and 12 monthly"
        assert json.loads(answer.stdout)["policy/attic"] == "0 daily, 0 weekly and 12 monthly"
        assert "policy/nas" not in json.loads(answer.stdout)
        assert host.settings.places[2].keep_monthly == 12

    def test_that_keeps_nothing_is_refused(self, volume_host: HostUnderTest) -> None:
        nothing = {"keep_daily": 0, "keep_weekly": 0, "keep_monthly": 0}
        use(volume_host, three(volume_host, **nothing))

        assert isinstance(onyx("prune").exception, SettingsError)


class TestNames:
    @pytest.mark.parametrize("name", ["disk", "nas", "attic"])
    def test_are_what_commands_take(self, host: HostUnderTest, name: str) -> None:
        backup_id = host.run().backup_id

        listed = json.loads(onyx("catalog", "list", "--store", name, "--json").stdout)
        verified = json.loads(onyx("verify", backup_id, "--store", name, "--json").stdout)

        assert [row["stores"] for row in listed] == [[name]]
        assert (verified["store"], verified["verdict"]) == (name, "intact")

    def test_the_first_is_verified_where_none_is_given(self, host: HostUnderTest) -> None:
        host.run()

        assert json.loads(onyx("verify", "latest", "--json").stdout)["store"] == "disk"

    @pytest.mark.parametrize("command", [["verify", "latest", "--store"], ["drill", "--from"]])
    def test_an_unknown_one_is_told_which_there_are(
        self, host: HostUnderTest, command: list[str]
    ) -> None:
        failure = onyx(*command, "offsite").exception

        assert isinstance(failure, SettingsError)
        assert "disk, nas, attic" in failure.remedy

    def test_are_labels_of_metrics(self, host: HostUnderTest) -> None:
        host.run()

        page = MetricsPage(host.settings, CatalogCache(host.settings)).render().decode()

        assert 'onyx_backup_sets{store="attic"} 1.0' in page
        assert 'onyx_offsite_lag_seconds{store="nas"} 0.0' in page
        assert 'onyx_offsite_lag_seconds{store="attic"} 0.0' in page

    def test_are_in_what_the_doctor_finds(self, host: HostUnderTest) -> None:
        shutil.rmtree(host.root / "attic")

        found = {each.name: each.ok for each in examine(host.settings)}

        assert found["store nas"]
        assert not found["store attic"]
        assert {"object lock in nas", "versions in attic"} <= set(found)

    def test_of_the_store_that_lags_is_said(self, host: HostUnderTest) -> None:
        host.run()
        shutil.rmtree(host.root / "attic" / "sets")

        lags = {each.store: each for each in offsite_copies.offsite_lags(host.open(), now=NOW)}

        assert lags["nas"].sentence == "Every set has its copy in the nas store."
        assert "1 set without a copy in the attic store" in lags["attic"].sentence


class TestCredentials:
    def test_of_a_bucket_come_from_a_file_of_its_own(
        self, volume_host: HostUnderTest, moto: MotoServer
    ) -> None:
        s3_location = moto.location("versioned", f"host/{uuid.uuid4()}")
        secret = volume_host.root / "secret"
        secret.write_text(s3_location.secret_access_key + "\n")
        secret.chmod(0o600)
        bucket = {
            "url": f"s3://{s3_location.bucket}/{s3_location.prefix}",
            "endpoint_url": s3_location.endpoint_url,
            "access_key_id": s3_location.access_key_id,
            "secret_access_key_file": str(secret),
        }
        host = use(volume_host, three(volume_host, **bucket))

        backup_id = host.run().backup_id

        assert host.stores_of(backup_id) == {"disk", "nas", "attic"}
        assert s3_location.secret_access_key in secret_values(host.settings)
        assert exposed_files(host.settings, {}) == []
        secret.chmod(0o644)
        assert str(secret) in exposed_files(host.settings, {})[0]

    def test_that_are_half_given_are_refused(self, volume_host: HostUnderTest) -> None:
        use(volume_host, three(volume_host, url="s3://bucket", access_key_id="AKIA"))

        with pytest.raises(SettingsError, match="attic only one of access key id and secret"):
            open_stores(volume_host.settings)

    def test_that_cannot_be_read_are_refused(self, volume_host: HostUnderTest) -> None:
        nowhere = {"access_key_id": "AKIA", "secret_access_key_file": "/nowhere"}
        use(volume_host, three(volume_host, url="s3://bucket", **nowhere))

        with pytest.raises(SettingsError, match="secret of the store attic cannot be read"):
            open_stores(volume_host.settings)


class TestAListThatCannotBeMeant:
    @pytest.mark.parametrize(
        ("places", "said"),
        [
            ([{"name": "a", "url": "/x"}, {"name": "a", "url": "/y"}], "name a is given twice"),
            ([{"name": "a", "url": "/x"}, {"name": "b", "url": "/x"}], "url /x is given twice"),
            ([{"name": "A", "url": "/x"}], "0.name"),
            ([{"name": "a/b", "url": "/x"}], "0.name"),
            ([{"name": "a", "url": "/x", "secret_access_key": "word"}], "secret_access_key"),
        ],
    )
    def test_is_refused_when_it_is_read(self, places: list[dict[str, str]], said: str) -> None:
        with pytest.raises(SettingsError, match=said) as caught:
            load_settings({"stores": places})

        assert "word" not in str(caught.value).replace("secret_access_key", "")

    def test_with_an_offsite_url_beside_it_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="offsite_url is given too"):
            load_settings({"offsite_url": "file:///y", "stores": [{"name": "a", "url": "/x"}]})

    @pytest.mark.parametrize(
        ("places", "said"),
        [
            ([("a", "/x"), ("b", "/x/inside")], "overlap"),
            ([("a", "x")], "`url` of the store a does not name a store"),
            ([("a", "http://host/x")], "`url` of the store a does not name a store"),
            ([("a", "s3://key:word@bucket")], "holds more than a bucket"),
        ],
    )
    def test_of_places_that_are_none_is_refused_when_they_are_opened(
        self, places: list[tuple[str, str]], said: str
    ) -> None:
        listed = [{"name": name, "url": url} for name, url in places]

        with pytest.raises(SettingsError, match=said):
            open_stores(load_settings({"stores": listed}))
