"""Every rule sees what real exporters of several versions expose; a renamed metric is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.contract import (
    UnreadableMetricsError,
    blind,
    blind_of,
    job_of,
    jobs_seen,
    read,
)
from onyx_pipelines.monitoring.expression import needs_of
from onyx_pipelines.monitoring.metrics import LABELS
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.monitoring.rules.rule import Alert

RECORDED: Final = sorted((Path(__file__).parents[1] / "data" / "metrics").glob("*.txt"))
EXPRESSIONS: Final = [
    (rule.name if isinstance(rule, Alert) else rule.record, rule.expr)
    for group in groups(Thresholds())
    for rule in group.rules
]
# Families that appear only once there is something to tell, and that `declared` does not have.
APPEAR_LATER: Final = {"QdrantReplicaDead"}


def job_in(recorded: Path) -> str:
    name = recorded.name.split("-")[0].removesuffix("_exporter")
    return {"postgres": "postgresql"}.get(name, name)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.stem)
def test_every_rule_sees_what_this_version_exposes(recorded: Path) -> None:
    exposition = read(recorded.read_text(encoding="utf-8"))

    found = blind_of(EXPRESSIONS, job_in(recorded), exposition)

    assert found.keys() - APPEAR_LATER == set()


def test_there_are_two_versions_or_more_of_each_recorded_service() -> None:
    versions = [job_in(each) for each in RECORDED]

    assert {job for job in versions if versions.count(job) < 2} == {"cadvisor"}


NEEDED: Final = sorted(
    {
        selector.name
        for _, expression in EXPRESSIONS
        for selector in needs_of(expression).all_selectors()
        if job_of(selector.name) in {job_in(each) for each in RECORDED}
        and "qdrant_" not in selector.name
    }
    - {"collection_dead_replicas"}
)


@pytest.mark.parametrize("family", NEEDED)
def test_a_renamed_metric_is_named(family: str) -> None:
    recorded = next(each for each in RECORDED if job_in(each) == job_of(family))
    text = re.sub(rf"\b{family}\b", f"{family}_v2", recorded.read_text(encoding="utf-8"))

    found = blind_of(EXPRESSIONS, job_in(recorded), read(text))

    assert any(f"there is no {family}" in lack for lacks in found.values() for lack in lacks)


def test_a_dropped_label_is_named() -> None:
    exposition = read('node_cpu_seconds_total{cpu="0"} 1\n')

    assert blind('sum(node_cpu_seconds_total{mode="idle"})', "node", exposition) == [
        "node_cpu_seconds_total has no label mode"
    ]


def test_a_label_with_what_unicode_calls_a_line_break_is_one_label() -> None:
    exposition = read('pg_up{name="a\u2028pg_other 1",mode="idle"} 1\r\n# TYPE pg_new counter\r\n')

    assert set(exposition.series) == {"pg_up"}
    assert blind('pg_up{mode="idle"} + pg_new', "postgresql", exposition) == []


class TestAlternatives:
    EXPOSITION: Final = read("pg_new 1\n")

    def test_one_of_two_is_enough(self) -> None:
        assert blind("pg_old or pg_new", "postgresql", self.EXPOSITION) == []

    def test_none_of_two_is_not(self) -> None:
        assert blind("pg_old or pg_older", "postgresql", self.EXPOSITION) == [
            "there is no pg_old and there is no pg_older"
        ]

    def test_a_number_in_place_of_a_metric_hides_nothing(self) -> None:
        assert blind("pg_old or vector(0)", "postgresql", self.EXPOSITION) == ["there is no pg_old"]

    def test_that_something_is_absent_may_be_asked(self) -> None:
        assert blind("absent(pg_old)", "postgresql", self.EXPOSITION) == []

    def test_what_must_not_be_there_need_not_be(self) -> None:
        assert blind("pg_new unless pg_old", "postgresql", self.EXPOSITION) == []


def test_a_family_that_has_a_type_and_no_series_yet_is_there() -> None:
    exposition = read("# TYPE redis_errors_total counter\nredis_up 1\n")

    assert blind("rate(redis_errors_total[5m])", "redis", exposition) == []


@pytest.mark.parametrize("text", ["", "<html>\n<body>404</body>\n</html>", "{}"])
def test_another_page_is_one_clear_error(text: str) -> None:
    with pytest.raises(UnreadableMetricsError, match="no page of metrics"):
        read(text)


def test_whose_page_it_is_is_seen_from_its_families() -> None:
    assert [jobs_seen(read(each.read_text(encoding="utf-8"))) for each in RECORDED] == [
        [job_in(each)] for each in RECORDED
    ]


def test_no_rule_asks_for_a_label_that_could_name_a_person() -> None:
    asked = {
        label
        for _, expression in EXPRESSIONS
        for selector in needs_of(expression).all_selectors()
        if not job_of(selector.name) and selector.name != "ALERTS"
        for label in selector.labels
    }

    assert asked <= LABELS


def test_every_recorded_figure_that_a_rule_reads_is_recorded() -> None:
    recorded = {rule.record for group in groups(Thresholds()) for rule in group.recordings}
    asked = {
        selector.name
        for _, expression in EXPRESSIONS
        for selector in needs_of(expression).all_selectors()
    }

    assert {name for name in asked if ":" in name} <= recorded
