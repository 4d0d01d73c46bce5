"""Five dashboards (AC9.1.2): Grafana can read them, and every panel sees what exporters expose."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.contract import blind, job_of, read
from onyx_pipelines.monitoring.dashboards.board import Dashboard
from onyx_pipelines.monitoring.dashboards.five import dashboards
from onyx_pipelines.monitoring.expression import needs_of, parsed
from onyx_pipelines.monitoring.rendering import rendered
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.monitoring.rules.rule import Board
from onyx_pipelines_tests.monitoring.test_contract import RECORDED, job_in

BOARDS: Final = dashboards(Thresholds())
DOCUMENTS: Final = {each.board: json.loads(each.rendered()) for each in BOARDS}
PANELS: Final = [(board.board.value, panel) for board in BOARDS for panel in board.panels]
# As Grafana fills it in for a scrape every 15 seconds.
INTERVAL: Final = "1m"
QUERIES: Final = [
    (f"{board}: {panel.title}", line.expr.replace("$__rate_interval", INTERVAL), line.legend)
    for board, panel in PANELS
    for line in panel.lines
]
each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda each: each.board.value)
each_query = pytest.mark.parametrize(("where", "expression", "legend"), QUERIES)


def document(board: Dashboard) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENTS[board.board]
    return found


def test_there_are_the_five_of_the_specification() -> None:
    assert [each.title.removeprefix("ONYX / ") for each in BOARDS] == [
        "System Overview",
        "Application Performance",
        "LLM Metrics",
        "RAG Performance",
        "Infrastructure Health",
    ]
    assert [each.board for each in BOARDS] == list(Board)


@each_board
def test_it_is_drawn_anew_every_ten_seconds(board: Dashboard) -> None:
    made = document(board)

    assert made["refresh"] == "10s"
    assert made["refresh"] in made["timepicker"]["refresh_intervals"]


@each_board
def test_no_panel_covers_another_and_none_hangs_over_the_edge(board: Dashboard) -> None:
    places = [panel["gridPos"] for panel in document(board)["panels"]]

    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    assert all(each["x"] + each["w"] <= 24 for each in places)


@each_board
def test_panels_and_their_queries_are_told_apart(board: Dashboard) -> None:
    panels = document(board)["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0
        assert panel["description"].endswith(".")


@each_board
def test_the_data_source_is_a_variable_which_a_file_can_provision(board: Dashboard) -> None:
    made = document(board)
    sources = {
        json.dumps(each["datasource"])
        for panel in made["panels"]
        for each in [panel, *panel["targets"]]
    }

    assert "__inputs" not in made
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    assert [each["name"] for each in made["templating"]["list"]] == ["datasource"]


@each_query
def test_a_query_is_promql(where: str, expression: str, legend: str) -> None:
    assert parsed(expression) is not None


@each_query
def test_a_counter_is_shown_as_a_rate(where: str, expression: str, legend: str) -> None:
    """A counter's own value says how long its process runs."""
    inside = re.sub(r"(rate|increase)\([^()]*\)", "", expression)
    inside = inside.replace("collections_vector_total", "")  # a gauge, whatever its name

    assert not re.search(r"\w+_(total|bucket|sum|count)\b[^(]*$", inside)


@each_query
def test_a_legend_names_labels_that_the_query_keeps(
    where: str, expression: str, legend: str
) -> None:
    named = set(re.findall(r"\{\{(\w+)\}\}", legend))
    kept = {
        label.strip()
        for each in re.findall(r"by \(([^)]*)\)", parsed(expression).prettify())
        for label in each.split(",")
    }
    of_target = {"service", "instance", "job"}
    plain = not re.search(r"\b(sum|max|min|count|avg|topk)\b", expression)

    assert named <= kept | of_target | ({"mountpoint", "stack"} if plain else set())


@each_query
def test_a_query_sees_what_every_recorded_version_exposes(
    where: str, expression: str, legend: str
) -> None:
    jobs = {job_of(each.name) for each in needs_of(expression).all_selectors()}
    lacking = {
        recorded.stem: lacks
        for recorded in RECORDED
        if job_in(recorded) in jobs
        and (lacks := blind(expression, job_in(recorded), read(recorded.read_text())))
    }

    assert lacking == {}


def test_every_alert_links_to_a_dashboard_that_there_is() -> None:
    boards = {each.board for each in BOARDS}

    assert {alert.board for group in groups(Thresholds()) for alert in group.alerts} <= boards


def test_every_recorded_figure_that_is_drawn_is_recorded() -> None:
    recorded = {rule.record for group in groups(Thresholds()) for rule in group.recordings}
    drawn = {
        selector.name
        for _, expression, _ in QUERIES
        for selector in needs_of(expression).all_selectors()
    }

    assert {name for name in drawn if ":" in name} <= recorded


class TestGrafana:
    """AC9.1.4."""

    def test_it_listens_on_3001_and_asks_who_it_is(self) -> None:
        text = rendered()["grafana/grafana.ini"]

        assert "http_port = 3001" in text
        assert re.search(r"\[auth\.anonymous\]\nenabled = false", text)
        assert "admin_password" not in text

    def test_it_finds_the_dashboards_and_the_data(self) -> None:
        files = rendered()
        provider = yaml.safe_load(files["grafana/provisioning/dashboards/onyx.yml"])
        source = yaml.safe_load(files["grafana/provisioning/datasources/prometheus.yml"])

        assert Path(provider["providers"][0]["options"]["path"]).name == "dashboards"
        assert source["datasources"][0]["type"] == "prometheus"
