"""The tables of the page; on a phone each row is a block of labelled values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from onyx_pipelines.load_test.report.wording import (
    change_of,
    change_text,
    gain_text,
    gap_text,
    interval_text,
    milliseconds,
    quantity,
    ratio_text,
    scenario_name,
    share_text,
    summary_name,
)
from onyx_pipelines.load_test.results import (
    Change,
    Gate,
    LatencySummary,
    LoadTestResult,
    Remedy,
    Scenario,
)
from onyx_pipelines.load_test.statistics.percentiles import REPORTED
from onyx_pipelines.page.markup import Html, element

_GATE_SIGNS: Final = {True: "✓", False: "✗", None: "?"}
_GATE_ROLES: Final = {True: "passed", False: "failed", None: "inconclusive"}


def latency_table(result: LoadTestResult) -> Html:
    """Percentiles with their intervals and, where there is one, the baseline."""
    columns = [f"p{100 * q:g}" for q in REPORTED]
    return _table(
        ("", *columns, "max", "answers per s", "errors", "samples"),
        [_number_row(result, each) for each in result.summaries],
        style="stacks dense",
    )


def changes_table(result: LoadTestResult) -> Html:
    """Every figure in numbers, those that no axis has a place for too."""
    return _table(
        ("Figure", "Ratio (95 % interval)", "Change", ""),
        [_change_row(each) for each in result.comparison.changes],
    )


def remedies_table(result: LoadTestResult) -> Html:
    return _table(
        ("Action", "Predicted", "Risk, effort", "How to verify"),
        [
            _remedy_row(attribution.scenario, remedy)
            for attribution in result.attributions
            for remedy in attribution.remedies
        ],
    )


def gates_table(result: LoadTestResult) -> Html:
    return _table(
        ("Condition", "Observed", ""), [_gate_row(gate) for gate in result.validity.gates]
    )


def _number_row(result: LoadTestResult, summary: LatencySummary) -> Html:
    gap = gap_text(summary)
    return element(
        "tr",
        element("th", summary_name(summary), class_="name"),
        *(
            element("td", *_percentile(result, summary, q), data_label=f"p{100 * q:g}")
            for q in REPORTED
        ),
        element("td", milliseconds(summary.max_ms), class_="nowrap", data_label="max"),
        element(
            "td",
            quantity(summary.throughput_per_s, ""),
            element("div", f"longest gap {gap}", class_="note"),
            data_label="answers per s",
        ),
        element("td", share_text(summary.error_rate, 2), class_="nowrap", data_label="errors"),
        element("td", f"{summary.samples} in {summary.repeats} repeats", data_label="samples"),
    )


def _percentile(result: LoadTestResult, summary: LatencySummary, q: float) -> list[Html]:
    found = summary.percentile(q)
    if found is None or found.value is None:
        reason = found.reason if found is not None else "not known"
        return [element("span", reason, class_="note")]
    lines = [
        element("div", milliseconds(found.value), class_="nowrap"),
        element("div", interval_text(found.interval), class_="note"),
    ]
    change = change_of(result, summary, q)
    if change is not None and change.ratio is not None:
        compared = f"baseline {ratio_text(change.ratio, change.interval)}"
        lines.append(element("div", compared, class_="note"))
    return lines


def _change_row(change: Change) -> Html:
    name = change.name + (" (decides)" if change.is_gating else "")
    return element(
        "tr",
        element("th", name, class_="name full"),
        element("td", ratio_text(change.ratio, change.interval), data_label="Ratio"),
        element("td", change_text(change), data_label="Change"),
        element("td", change.text, class_="note full"),
    )


def _remedy_row(scenario: Scenario, remedy: Remedy) -> Html:
    return element(
        "tr",
        element("th", f"{scenario_name(scenario)}: {remedy.action}", class_="name full"),
        element(
            "td",
            *(element("div", gain_text(gain)) for gain in remedy.gains),
            data_label="Predicted",
        ),
        element(
            "td",
            element("div", remedy.risk),
            element("div", f"Effort: {remedy.effort}", class_="note") if remedy.effort else Html(),
            data_label="Risk, effort",
        ),
        element("td", remedy.verify, data_label="How to verify"),
    )


def _gate_row(gate: Gate) -> Html:
    return element(
        "tr",
        element(
            "th",
            element("span", _GATE_SIGNS[gate.passed], class_=f"badge {_GATE_ROLES[gate.passed]}"),
            f" {gate.name}",
            class_="full",
        ),
        element("td", gate.observed, class_="value", data_label="Observed"),
        element("td", f"required: {gate.required}", class_="note"),
    )


def _table(headings: Sequence[str], rows: Iterable[Html], *, style: str = "stacks") -> Html:
    return element(
        "table",
        element("thead", element("tr", *(element("th", name) for name in headings))),
        element("tbody", *rows),
        class_=style,
    )
