"""Stacks beside each other in one directory and one bucket: none sees, prunes, restores or
overwrites what is another's, and a stack without a name is as it always was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.metrics_page import MetricsPage
from onyx_pipelines.audit import Trail
from onyx_pipelines.cli.app import app
from onyx_pipelines.core.errors import AlreadyRunningError, SettingsError
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.restore.finding_sets import find_set
from onyx_pipelines.vault.authenticity import UntrustedError
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest

runner = CliRunner()


def onyx(*arguments: str) -> Any:
    return runner.invoke(app, list(arguments))


def become(host: HostUnderTest, stack: str) -> HostUnderTest:
    for store in (host.backups, host.offsite_dir):
        (store / stack).mkdir(mode=0o700, exist_ok=True)
    (host.root / "state" / "stacks" / stack).mkdir(mode=0o700, parents=True, exist_ok=True)
    host.set(STACK=stack)
    return host


def keys(folder: Path) -> set[str]:
    return {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}


class TestAStackWithoutAName:
    def test_has_the_object_names_that_it_always_had(self, volume_host: HostUnderTest) -> None:
        backup_id = volume_host.run().backup_id

        sets = {f"sets/{backup_id}/{name}" for name in ("manifest.json", "marks/verified.json")}
        assert keys(volume_host.backups) - sets == {
            f"sets/{backup_id}/facts/volumes/data.jsonl.zst.sealed",
            f"sets/{backup_id}/volumes/data.tar.zst.sealed",
        }

    def test_writes_nothing_of_stacks_into_its_manifest(self, volume_host: HostUnderTest) -> None:
        backup_id = volume_host.run().backup_id

        manifest = volume_host.backups / "sets" / backup_id / "manifest.json"
        assert "stack" not in json.loads(manifest.read_bytes())

    def test_has_its_state_and_reports_where_they_were(self) -> None:
        settings = load_settings({"state_dir": "/state", "reports_dir": "/reports"})

        assert (settings.state_dir, settings.reports_dir) == (Path("/state"), Path("/reports"))

    def test_has_no_label_in_metrics(self, volume_host: HostUnderTest) -> None:
        settings = volume_host.settings

        assert "stack=" not in MetricsPage(settings, CatalogCache(settings)).render().decode()


class TestTwoStacks:
    @pytest.fixture
    def blue(self, volume_host: HostUnderTest) -> str:
        """The id of the set of the stack blue; the host is the stack green from then on."""
        backup_id = become(volume_host, "blue").run().backup_id
        become(volume_host, "green")
        return backup_id

    def test_see_no_sets_of_each_other(self, volume_host: HostUnderTest, blue: str) -> None:
        green = volume_host.run().backup_id

        assert volume_host.listed() == [green]
        assert become(volume_host, "blue").listed() == [blue]
        volume_host.set(STACK="")
        assert volume_host.listed() == []

    def test_prune_and_overwrite_nothing_of_each_other(
        self, volume_host: HostUnderTest, blue: str
    ) -> None:
        places = (volume_host.backups / "blue", volume_host.offsite_dir / "blue")
        before = [keys(place) for place in places]
        volume_host.set(KEEP_DAILY=1, KEEP_WEEKLY=0, KEEP_MONTHLY=0, SWEEP_GRACE_HOURS=0)
        for stack in ("green", ""):
            volume_host.set(STACK=stack)
            volume_host.run()

            assert onyx("prune", "--yes").exit_code == 0

        assert [keys(place) for place in places] == before
        assert become(volume_host, "blue").intact(blue)

    def test_find_no_set_of_each_other_to_restore(
        self, volume_host: HostUnderTest, blue: str
    ) -> None:
        assert onyx("restore", blue, "--plan").exception is not None
        assert onyx("drill", blue).exception is not None

    def test_count_no_set_that_was_moved_from_one_to_the_other(
        self, volume_host: HostUnderTest, blue: str
    ) -> None:
        for store in (volume_host.backups, volume_host.offsite_dir):
            shutil.copytree(store / "blue" / "sets", store / "green" / "sets")

        with pytest.raises(UntrustedError, match="of the stack blue, and this is the stack green"):
            find_set(volume_host.settings, blue, None)

        assert volume_host.listed() == []

    def test_take_over_the_sets_that_were_made_before_there_was_a_name(
        self, volume_host: HostUnderTest
    ) -> None:
        backup_id = volume_host.run().backup_id
        become(volume_host, "blue")
        for store in (volume_host.backups, volume_host.offsite_dir):
            shutil.move(store / "sets", store / "blue" / "sets")

        assert volume_host.listed() == [backup_id]

    def test_back_up_side_by_side(self, volume_host: HostUnderTest, blue: str) -> None:
        of_blue = volume_host.root / "state" / "stacks" / "blue"
        with ExclusiveLock(of_blue, "backup"), pytest.raises(AlreadyRunningError):
            become(volume_host, "blue").run()
        with ExclusiveLock(of_blue, "backup"):
            assert become(volume_host, "green").run().is_verified

    def test_measure_nothing_beside_each_other(self, volume_host: HostUnderTest, blue: str) -> None:
        of_blue = volume_host.root / "state" / "stacks" / "blue"
        for purpose in ("backup", "load test"):
            with (
                ExclusiveLock(of_blue, purpose),
                pytest.raises(AlreadyRunningError),
                ExclusiveLock(volume_host.settings.state_dir, "load test"),
            ):
                pass
        with ExclusiveLock(of_blue, "load test"), pytest.raises(AlreadyRunningError):
            volume_host.run()

    def test_are_named_in_manifest_catalog_metrics_and_audit_trail(
        self, volume_host: HostUnderTest, blue: str
    ) -> None:
        become(volume_host, "blue")
        assert onyx("hold", blue).exit_code == 0
        settings = volume_host.settings

        assert volume_host.manifest(blue).stack == "blue"
        assert "backup sets of blue" in onyx("catalog", "list").stdout
        page = MetricsPage(settings, CatalogCache(settings)).render().decode()
        assert 'onyx_backup_sets{stack="blue",store="local"} 1.0' in page
        assert next(each.parameters["stack"] for each in Trail.of(settings).records()) == "blue"


def test_a_name_is_a_part_of_every_place() -> None:
    settings = Settings(
        stack="blue",
        state_dir=Path("/state"),
        reports_dir=Path("/reports"),
        backup_dir=Path("/backups"),
        offsite_url="s3://bucket/prefix/",
    )

    assert settings.state_dir == Path("/state/stacks/blue")
    assert settings.reports_dir == Path("/reports/blue")
    assert [each.url for each in open_stores(settings)] == [
        "file:///backups/blue",
        "s3://bucket/prefix/blue",
    ]


@pytest.mark.parametrize("name", ["sets", "audit", "doctor", "Blue", "a/b", "..", "-a", "a" * 41])
def test_a_name_that_cannot_be_a_place_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="ONYX_STACK"):
        load_settings({"stack": name})
