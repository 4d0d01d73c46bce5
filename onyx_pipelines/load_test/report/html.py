"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import pandas as pd

from onyx_pipelines.load_test.report.charts.budget import budget_drawing, budget_key
from onyx_pipelines.load_test.report.charts.forest import forest_drawing
from onyx_pipelines.load_test.report.charts.over_time import over_time_drawing, over_time_key
from onyx_pipelines.load_test.report.charts.saturation import saturation_drawing
from onyx_pipelines.load_test.report.charts.spectrum import spectrum_drawing
from onyx_pipelines.load_test.report.charts.throughput import throughput_drawing
from onyx_pipelines.load_test.report.html_tables import (
    changes_table,
    gates_table,
    latency_table,
    remedies_table,
)
from onyx_pipelines.load_test.report.wording import (
    CAUSES,
    SIGNS,
    bottleneck_lines,
    capacity_lines,
    cause_share,
    command,
    headline,
    interval_text,
    moment,
    no_remedies,
    objective_text,
    reproduction_pairs,
    scenario_name,
    verdict_role,
    verdict_text,
)
from onyx_pipelines.load_test.results import (
    Attribution,
    Cause,
    LoadTestResult,
    LoadVerdict,
    Objective,
    Scenario,
)
from onyx_pipelines.page.canvas import NARROW, WIDE, Drawing, Layout, to_svg
from onyx_pipelines.page.markup import Html, element, joined
from onyx_pipelines.page.palette import variable
from onyx_pipelines.page.style import style_sheet

# Everything is in the page: it may fetch nothing and run nothing.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# Nobody may read a number of an invalid run as one that counts.
_GREYED: Final = "opacity:.45;filter:grayscale(1)"


def report_html(
    result: LoadTestResult, samples: pd.DataFrame, targets_ms: Mapping[Scenario, float]
) -> str:
    """The page. `targets_ms`: objectives that are drawn into the spectrum."""
    charts = _charts(result, samples, targets_ms)
    is_invalid = result.verdict is LoadVerdict.INVALID
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
            f"Load test, {moment(result.started_at)}, profile {result.profile},"
            f" target {result.target}",
            class_="over",
        ),
        _strip(result),
        *([_validity(result)] if is_invalid else []),
        _alarms(result),
        element(
            "div",
            _numbers(result),
            *charts,
            _bottlenecks(result),
            _remedies(result),
            **({"class_": "invalid-numbers", "style": _GREYED} if is_invalid else {}),
        ),
        *([] if is_invalid else [_validity(result)]),
        _reproduction(result),
    )
    return f"<!DOCTYPE html>\n{element('html', head, element('body', main), lang='en')}\n"


def _strip(result: LoadTestResult) -> Html:
    verdict = result.verdict
    chips = [_chip(result, each) for each in result.objectives]
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


def _chip(result: LoadTestResult, objective: Objective) -> Html:
    interval = interval_text(objective.interval, objective.unit)
    return element(
        "li",
        objective_text(objective),
        element("span", f"({interval})", class_="note") if interval else Html(),
        element(
            "span",
            verdict_text(result, objective),
            class_=f"badge {verdict_role(_counting(result, objective))}",
        ),
    )


def _counting(result: LoadTestResult, objective: Objective) -> LoadVerdict:
    is_invalid = result.verdict is LoadVerdict.INVALID
    return LoadVerdict.INVALID if is_invalid else objective.verdict


def _alarms(result: LoadTestResult) -> Html:
    if not result.alarms:
        return Html()
    return _section(
        "Told while the test ran",
        "",
        element(
            "ul",
            *(
                element("li", f"{moment(alarm.at)}, {alarm.name}: {alarm.text}")
                for alarm in result.alarms
            ),
        ),
    )


def _numbers(result: LoadTestResult) -> Html:
    judged = [
        element(
            "li", element("strong", f"{each.name}: "), f"{verdict_text(result, each)}. {each.text}"
        )
        for each in result.objectives
    ]
    note = (
        "All repeats of the baseline block together. Under each percentile its 95 % interval; a"
        " percentile that the samples do not support is not made up."
    )
    return _section(
        "Latency",
        note if result.summaries else "No request of the baseline block was answered.",
        *([latency_table(result)] if result.summaries else []),
        element("h3", "Objectives"),
        element("ul", *judged) if judged else element("p", "None was judged."),
    )


def _charts(
    result: LoadTestResult, samples: pd.DataFrame, targets_ms: Mapping[Scenario, float]
) -> list[Html]:
    capacities = capacity_lines(result)
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
            _key(budget_key(result)),
        ),
        _figure(
            "throughput",
            "How much it can do",
            "Dots are measured. The line is one queue that everybody passes through, fitted to"
            " them; past the knee (dashed, with its interval) more users only wait longer.",
            lambda layout: throughput_drawing(result, layout),
            "There was no sweep in which a request was answered.",
            *([element("ul", *(element("li", line) for line in capacities))] if capacities else []),
        ),
        _figure(
            "saturation",
            "How full each service was",
            "Percent of its CPU, with the time that it waited for one, of its pool of connections,"
            " or of the machine's memory. Hatched: not known. A service of one thread is full at"
            " one core.",
            lambda layout: saturation_drawing(result, layout),
            "No service was watched (ONYX_LOAD_TEST_SERVICES).",
        ),
        _figure(
            "forest",
            "Against the baseline",
            _compared(result),
            lambda layout: forest_drawing(result, layout),
            result.comparison.reason or "No figure can be compared.",
            *([changes_table(result)] if result.comparison.changes else []),
        ),
        _figure(
            "over-time",
            "Over the time of the test",
            "Each panel begins when its scenario did.",
            lambda layout: over_time_drawing(samples, layout),
            "Nothing was sent.",
            _key(over_time_key() if len(samples) else ()),
        ),
    ]


def _key(colours: Sequence[tuple[str, str]]) -> Html:
    """The legend, beside the chart rather than over its data."""
    if not colours:
        return Html()
    swatch = "display:inline-block;width:12px;height:12px;border:1px solid var(--line);"
    return element(
        "ul",
        *(
            element("li", element("span", style=f"{swatch}background:var({variable(role)})"), name)
            for role, name in colours
        ),
        class_="chips",
    )


def _compared(result: LoadTestResult) -> str:
    comparison = result.comparison
    if comparison.baseline_id is None:
        return ""
    regressed = [each for each in comparison.changes if each.kind.value == "regressed"]
    decided = ", ".join(each.name for each in regressed) or "none"
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
            return _section(title, otherwise, *more)
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
    return element(
        "details",
        element(
            "summary",
            element("strong", f"{title}: "),
            f"{cause.service}: {CAUSES[cause.kind]}; share {cause_share(cause)},"
            f" confidence {cause.confidence:.2f}",
        ),
        *(element("p", sentence) for sentence in cause.evidence),
        **({"open": "open"} if title == "Cause" else {}),
    )


def _remedies(result: LoadTestResult) -> Html:
    if not any(each.remedies for each in result.attributions):
        return _section("What to do", no_remedies(result))
    return element(
        "section",
        element("h2", "What to do"),
        element("p", "Predicted by the queue model, with 95 % intervals.", class_="note"),
        remedies_table(result),
        class_="long",
    )


def _validity(result: LoadTestResult) -> Html:
    return _section(
        "Whether this run can be used",
        "One condition that fails makes the whole run invalid.",
        gates_table(result),
    )


def _reproduction(result: LoadTestResult) -> Html:
    return element(
        "section",
        element("h2", "Run it again"),
        element("pre", element("code", command(result))),
        element(
            "dl",
            *(
                joined([element("dt", name), element("dd", value, class_="mono")])
                for name, value in reproduction_pairs(result)
            ),
            class_="pairs",
        ),
    )


def _section(title: str, note: str, *children: str) -> Html:
    return element("section", element("h2", title), element("p", note, class_="note"), *children)
