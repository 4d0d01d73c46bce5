"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pandas as pd

from onyx_pipelines import __version__
from onyx_pipelines.load_test.report.charts.budget import budget_drawing, budget_key
from onyx_pipelines.load_test.report.charts.forest import forest_drawing
from onyx_pipelines.load_test.report.charts.over_time import over_time_drawing
from onyx_pipelines.load_test.report.charts.saturation import saturation_drawing
from onyx_pipelines.load_test.report.charts.spectrum import spectrum_drawing
from onyx_pipelines.load_test.report.charts.throughput import throughput_drawing
from onyx_pipelines.load_test.report.wording import (
    CAUSES,
    CHANGES,
    SIGNS,
    bottleneck_lines,
    gain_text,
    headline,
    interval_text,
    milliseconds,
    objective_text,
    quantity,
    scenario_name,
    summary_name,
    verdict_role,
)
from onyx_pipelines.load_test.results import (
    Attribution,
    Cause,
    Gate,
    LatencySummary,
    LoadTestResult,
    LoadVerdict,
    Objective,
    Percentile,
    Remedy,
    Scenario,
)
from onyx_pipelines.load_test.statistics.percentiles import REPORTED
from onyx_pipelines.page.canvas import NARROW, WIDE, Drawing, Layout, to_svg
from onyx_pipelines.page.markup import Html, element, joined
from onyx_pipelines.page.palette import variable
from onyx_pipelines.page.style import style_sheet

# Everything is in the page: it may fetch nothing and run nothing.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_GATE_SIGNS: Final = {True: "✓", False: "✗", None: "?"}
_GATE_ROLES: Final = {True: "passed", False: "failed", None: "inconclusive"}


def report_html(
    result: LoadTestResult, samples: pd.DataFrame, targets_ms: Mapping[Scenario, float]
) -> str:
    """The page. `targets_ms`: objectives that are drawn into the spectrum."""
    charts = _charts(result, samples, targets_ms)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("link", rel="icon", href="data:,"),
        element("title", f"Load test: {result.verdict.value}"),
        element("style", Html(style_sheet())),
    )
    main = element(
        "main",
        element(
            "p",
            f"Load test, {result.started_at:%Y-%m-%d %H:%M} UTC, profile {result.profile},"
            f" target {result.target}",
            class_="over",
        ),
        _strip(result),
        _alarms(result),
        _numbers(result),
        *charts,
        _bottlenecks(result),
        _remedies(result),
        _validity(result),
        _reproduction(result),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', main), lang='en')}\n"


def _strip(result: LoadTestResult) -> Html:
    verdict = result.verdict
    chips = [_chip(each) for each in result.objectives]
    if verdict is not LoadVerdict.INVALID:
        gates = sum(gate.passed is True for gate in result.validity.gates)
        chips.append(
            element("li", "valid: ", f"{gates} of {len(result.validity.gates)} conditions shown")
        )
    return element(
        "header",
        element(
            "h1",
            element("span", SIGNS[verdict], class_="sign", aria_hidden="true"),
            verdict.value.upper(),
        ),
        element("p", headline(result)),
        element("ul", *chips, class_="chips") if chips else Html(),
        *(element("p", line, class_="turn-to") for line in bottleneck_lines(result)),
        class_=f"strip {verdict_role(verdict)}",
    )


def _chip(objective: Objective) -> Html:
    interval = interval_text(objective.interval, objective.unit)
    return element(
        "li",
        objective_text(objective),
        element("span", f"({interval})", class_="note") if interval else Html(),
        element(
            "span",
            f"{SIGNS[objective.verdict]} {objective.verdict.value}",
            class_=f"badge {verdict_role(objective.verdict)}",
        ),
    )


def _alarms(result: LoadTestResult) -> Html:
    if not result.alarms:
        return Html()
    return _section(
        "Told while the test ran",
        "",
        element(
            "ul",
            *(
                element("li", f"{alarm.at:%H:%M:%S} UTC, {alarm.name}: {alarm.text}")
                for alarm in result.alarms
            ),
        ),
    )


def _numbers(result: LoadTestResult) -> Html:
    if not result.summaries:
        return _section("Latency", "No request of the baseline block was answered.")
    headings = (
        "",
        *(f"p{100 * q:g}" for q in REPORTED),
        "max",
        "answers per s",
        "errors",
        "samples",
    )
    rows = [_number_row(each) for each in result.summaries]
    note = (
        "All repeats of the baseline block together. Under each percentile its 95 % interval; a"
        " percentile that the samples do not support is not made up."
    )
    judged = [
        element("li", element("strong", f"{each.name}: "), f"{each.verdict.value}. {each.text}")
        for each in result.objectives
    ]
    not_to_be_used = "invalid-numbers" if result.verdict is LoadVerdict.INVALID else ""
    return element(
        "section",
        element("h2", "Latency"),
        element("p", note, class_="note"),
        element(
            "table",
            element("thead", element("tr", *(element("th", name) for name in headings))),
            element("tbody", *rows),
            class_="stacks dense",
        ),
        element("h3", "Objectives"),
        element("ul", *judged) if judged else element("p", "None was judged."),
        class_=not_to_be_used,
        style="opacity:.55" if not_to_be_used else "",
    )


def _number_row(summary: LatencySummary) -> Html:
    errors = "not known" if summary.error_rate is None else f"{100 * summary.error_rate:.2f} %"
    gap = "" if summary.longest_gap_s is None else f"longest gap {summary.longest_gap_s:.2f} s"
    return element(
        "tr",
        element("th", summary_name(summary), class_="name"),
        *(
            element("td", *_percentile(summary.percentile(q)), data_label=f"p{100 * q:g}")
            for q in REPORTED
        ),
        element("td", milliseconds(summary.max_ms), data_label="max"),
        element(
            "td",
            quantity(summary.throughput_per_s, ""),
            element("div", gap, class_="note"),
            data_label="answers per s",
        ),
        element("td", errors, data_label="errors"),
        element("td", f"{summary.samples} in {summary.repeats} repeats", data_label="samples"),
    )


def _percentile(found: Percentile | None) -> list[Html]:
    if found is None or found.value is None:
        reason = found.reason if found is not None else "not known"
        return [element("span", reason, class_="note")]
    return [
        element("div", milliseconds(found.value)),
        element("div", interval_text(found.interval), class_="note"),
    ]


def _charts(
    result: LoadTestResult, samples: pd.DataFrame, targets_ms: Mapping[Scenario, float]
) -> list[Html]:
    key = element(
        "ul",
        *(
            element(
                "li",
                element(
                    "span",
                    style=f"display:inline-block;width:12px;height:12px;background:var({variable(role)})",
                ),
                name,
            )
            for role, name in budget_key(result)
        ),
        class_="chips",
    )
    return [
        _figure(
            "spectrum",
            "Latency by percentile",
            "The line ends where the samples no longer support it; the band is its 95 % interval.",
            lambda layout: spectrum_drawing(result, samples, targets_ms, layout),
            "There are too few answers to draw.",
        ),
        _figure(
            "budget",
            "Where the time goes",
            "Mean time of a request, cut into parts that exclude each other, by number of users."
            " What grows with the load is what limits it.",
            lambda layout: budget_drawing(result, layout),
            "No step of a sweep has an answer.",
            key,
        ),
        _figure(
            "throughput",
            "How much it can do",
            "Dots are measured. The line is one queue that everybody passes through, fitted to"
            " them; past the knee (dashed, with its interval) more users only wait longer.",
            lambda layout: throughput_drawing(result, layout),
            "There was no sweep.",
        ),
        _figure(
            "saturation",
            "How full each service was",
            "Percent of its CPU, with the time that it waited for one, or of its pool of"
            " connections. Hatched: not known. A service of one thread is full at one core.",
            lambda layout: saturation_drawing(result, layout),
            "No service was watched (ONYX_LOAD_TEST_SERVICES).",
        ),
        _figure(
            "forest",
            "Against the baseline",
            _compared(result),
            lambda layout: forest_drawing(result, layout),
            result.comparison.reason or "No figure can be compared.",
        ),
        _figure(
            "over-time",
            "Over the time of the test",
            "Dots are answers; the lines p50 and p95 of each second; ticks below are failures.",
            lambda layout: over_time_drawing(samples, layout),
            "Nothing was sent.",
        ),
    ]


def _compared(result: LoadTestResult) -> str:
    comparison = result.comparison
    if comparison.baseline_id is None:
        return ""
    regressed = [each for each in comparison.changes if each.kind.value == "regressed"]
    decided = ", ".join(f"{each.name} {CHANGES[each.kind]}" for each in regressed) or "none"
    return f"Baseline {comparison.baseline_id}. Regressed: {decided}."


def _figure(
    name: str,
    title: str,
    note: str,
    draw: Callable[[Layout], Drawing | None],
    otherwise: str,
    *more: Html,
) -> Html:
    charts = []
    for layout in (WIDE, NARROW):
        drawing = draw(layout)
        if drawing is None:
            return _section(title, otherwise)
        chart = to_svg(drawing, f"{name}-{layout.name}")
        charts.append(element("div", chart, class_=layout.name))
    return _section(title, note, *more, element("figure", *charts))


def _bottlenecks(result: LoadTestResult) -> Html:
    if not result.attributions:
        return _section("What limits it", "Without a sweep the cause cannot be told.")
    return element(
        "section",
        element("h2", "What limits it"),
        *(part for each in result.attributions for part in _bottleneck(each)),
        class_="long",
    )


def _bottleneck(attribution: Attribution) -> list[Html]:
    parts = [
        element("h3", scenario_name(attribution.scenario)),
        element("p", attribution.summary),
    ]
    for title, cause in (
        ("Cause", attribution.cause),
        ("Next best explanation", attribution.runner_up),
        ("Next limit once this is gone", attribution.next_cause),
    ):
        if cause is not None:
            parts.append(_cause(title, cause))
    if attribution.cannot_tell:
        parts.append(
            element(
                "ul",
                *(element("li", sentence, class_="note") for sentence in attribution.cannot_tell),
            )
        )
    return parts


def _cause(title: str, cause: Cause) -> Html:
    interval = cause.share_interval
    share = f"{100 * cause.share:.0f} %"
    if interval is not None and interval.low is not None and interval.high is not None:
        share += f" ({100 * interval.low:.0f} to {100 * interval.high:.0f} %)"
    return element(
        "details",
        element(
            "summary",
            element("strong", f"{title}: "),
            f"{cause.service}: {CAUSES[cause.kind]}; share {share},"
            f" confidence {cause.confidence:.2f}",
        ),
        *(element("p", sentence) for sentence in cause.evidence),
        **({"open": "open"} if title == "Cause" else {}),
    )


def _remedies(result: LoadTestResult) -> Html:
    rows = [
        _remedy_row(attribution.scenario, remedy)
        for attribution in result.attributions
        for remedy in attribution.remedies
    ]
    if not rows:
        return _section("What to do", "Nothing has to be done for the load that was tested.")
    headings = ("Action", "Predicted", "Risk, effort", "How to verify")
    return element(
        "section",
        element("h2", "What to do"),
        element("p", "Predicted by the queue model, with 95 % intervals.", class_="note"),
        element(
            "table",
            element("thead", element("tr", *(element("th", name) for name in headings))),
            element("tbody", *rows),
            class_="stacks",
        ),
        class_="long",
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
        element("td", f"{remedy.risk} {remedy.effort}", data_label="Risk, effort"),
        element("td", remedy.verify, data_label="How to verify"),
    )


def _validity(result: LoadTestResult) -> Html:
    return _section(
        "Whether this run can be used",
        "One condition that fails makes the whole run invalid.",
        element("table", element("tbody", *(_gate_row(gate) for gate in result.validity.gates))),
    )


def _gate_row(gate: Gate) -> Html:
    return element(
        "tr",
        element(
            "td",
            element("span", _GATE_SIGNS[gate.passed], class_=f"badge {_GATE_ROLES[gate.passed]}"),
        ),
        element("th", gate.name),
        element("td", gate.observed, class_="value"),
        element("td", f"required: {gate.required}", class_="note"),
    )


def _reproduction(result: LoadTestResult) -> Html:
    environment = result.environment
    pairs: Sequence[tuple[str, str]] = (
        ("Run", result.run_id),
        ("Target", result.target),
        (
            "Began, ended",
            f"{result.started_at:%Y-%m-%d %H:%M:%S} to {result.finished_at:%H:%M:%S} UTC",
        ),
        ("Time of the generator", f"{result.generator_s:.0f} s"),
        ("Attempts per unit", f"at most {result.attempts}"),
        ("Environment", environment.fingerprint),
        ("Processor", f"{environment.cpu_model}, {environment.cores} cores"),
        ("Memory", f"{environment.memory_bytes / 2**30:.1f} GiB"),
        ("k6", environment.k6_version),
        ("Scenario scripts", environment.script_digest),
        ("Language model", environment.llm or "not named"),
        ("onyx-pipelines", __version__),
        *environment.facts.items(),
    )
    return element(
        "section",
        element("h2", "Run it again"),
        element("pre", element("code", f"onyx load-test run --profile {result.profile}")),
        element(
            "dl",
            *(
                joined([element("dt", name), element("dd", value, class_="mono")])
                for name, value in pairs
            ),
            class_="pairs",
        ),
    )


def _section(title: str, note: str, *children: str) -> Html:
    return element("section", element("h2", title), element("p", note, class_="note"), *children)
