"""What alerts read of backups, drills, load tests and Qdrant is exposed, and is what it says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.metrics_page import MetricsPage
from onyx_pipelines.api.qdrant_condition import QdrantCondition
from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.errors.relay.pulse import Pulse, pulse_file
from onyx_pipelines.load_test.baselines import BaselineStore
from onyx_pipelines.load_test.promoted_latency import FOLDER, promoted_p95_s
from onyx_pipelines.monitoring.expression import needs_of
from onyx_pipelines.monitoring.metrics import AGE, APPLICATION
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest


def exposed(host: HostUnderTest) -> dict[str, dict[tuple[str, ...], float]]:
    """Value by the labels' values, by name."""
    page = MetricsPage(host.settings, CatalogCache(host.settings)).render().decode()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def note_drill(host: HostUnderTest, backup_id: str, *, passed: bool, at: datetime) -> None:
    opened = open_host(host.settings)
    Catalog(opened.stores, opened.trust).record_drill(backup_id, "local", passed=passed, at=at)


def test_each_component_has_its_newest_set_in_each_store(
    volume_host: HostUnderTest,
) -> None:
    volume_host.run()

    found = exposed(volume_host)["onyx_backup_component_last_success_timestamp_seconds"]

    assert set(found) == {("docker_volumes", "local"), ("docker_volumes", "offsite")}
    assert all(abs(each - datetime.now(UTC).timestamp()) < 600 for each in found.values())


def test_a_second_store_that_lacks_the_newest_set_is_behind(
    volume_host: HostUnderTest, tmp_path: Path
) -> None:
    volume_host.run()
    (tmp_path / "second").mkdir()
    volume_host.set(OFFSITE_URL=(tmp_path / "second").as_uri())

    assert exposed(volume_host)["onyx_offsite_lag_seconds"][()] > 1e9


def test_without_a_second_store_nothing_is_behind(volume_host: HostUnderTest) -> None:
    volume_host.set(OFFSITE_URL="")
    volume_host.run()

    assert "onyx_offsite_lag_seconds" not in exposed(volume_host)


def test_the_newest_drill_decides(volume_host: HostUnderTest) -> None:
    backup_id = volume_host.run().backup_id
    now = datetime.now(UTC)

    assert exposed(volume_host)["onyx_restore_drill_failed"] == {(): 0}
    note_drill(volume_host, backup_id, passed=False, at=now)
    assert exposed(volume_host)["onyx_restore_drill_failed"] == {(): 1}
    note_drill(volume_host, backup_id, passed=True, at=now + timedelta(minutes=1))
    assert exposed(volume_host)["onyx_restore_drill_failed"] == {(): 0}


class TestBaseline:
    def write(self, state_dir: Path, day: int, text: str) -> None:
        folder = state_dir / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"202611{day}T000000Z-0123456789abcdef.json").write_text(text)

    def test_the_newest_one_counts_with_its_slowest_scenario(self, tmp_path: Path) -> None:
        for day, slowest in ((10, 900.0), (11, 700.0)):
            series = {
                "chat full_answer p95": {"values": [600.0, slowest, 2 * slowest]},
                "rag full_answer p95": {"values": [20.0]},
                "chat full_answer p50": {"values": [5000.0]},
            }
            self.write(tmp_path, day, json.dumps({"series": series}))

        assert promoted_p95_s(tmp_path) == 0.7

    @pytest.mark.parametrize("text", ["{", "[]", '{"series": {}}', '{"series": {"a": 1}}'])
    def test_a_damaged_one_does_not_hide_the_one_before(self, text: str, tmp_path: Path) -> None:
        good = {"series": {"chat full_answer p95": {"values": [500.0]}}}
        self.write(tmp_path, 10, json.dumps(good))
        self.write(tmp_path, 11, text)

        assert promoted_p95_s(tmp_path) == 0.5

    def test_without_one_there_is_no_figure(self, tmp_path: Path) -> None:
        assert promoted_p95_s(tmp_path) is None
        assert BaselineStore(tmp_path).all() == []


class TestQdrant:
    def test_what_is_well_counts_as_none(self, backup_host: HostUnderTest) -> None:
        condition = QdrantCondition(backup_host.settings)

        condition.look()

        assert condition.unwell() == 0

    def test_a_server_that_does_not_answer_is_not_called_well(
        self, volume_host: HostUnderTest
    ) -> None:
        volume_host.set(QDRANT_URL="http://127.0.0.1:9")
        condition = QdrantCondition(volume_host.settings)

        condition.look()

        assert condition.unwell() is None


def test_every_metric_of_ours_that_a_rule_reads_is_exposed_somewhere(
    backup_host: HostUnderTest, tmp_path: Path
) -> None:
    backup_host.run()
    TestBaseline().write(
        backup_host.settings.state_dir,
        10,
        json.dumps({"series": {"chat full_answer p95": {"values": [500.0]}}}),
    )
    pulse_file(backup_host.settings.state_dir).write(Pulse(at=datetime.now(UTC)))
    page = MetricsPage(backup_host.settings, CatalogCache(backup_host.settings))
    page.qdrant.look()
    ours = {family.name for family in text_string_to_metric_families(page.render().decode())}
    known = ours | {AGE.name} | {family.name.removesuffix("_total") for family in APPLICATION}

    asked = {
        selector.name.removesuffix("_total")
        for group in groups(Thresholds())
        for rule in group.rules
        for selector in needs_of(rule.expr).all_selectors()
        if selector.name.startswith("onyx_")
    }

    assert {name.removesuffix("_bucket").removesuffix("_count") for name in asked} <= known
