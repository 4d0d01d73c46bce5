"""One drill as a page: a single file with no scripts and no outside address.

What somebody woken at night asks comes first: did it pass, why not, how long would recovery take,
how old would the data be. Then the evidence.
"""

from __future__ import annotations

from onyx_pipelines import __version__
from onyx_pipelines.page.canvas import NARROW, WIDE, to_svg
from onyx_pipelines.page.markup import Html, element, joined
from onyx_pipelines.page.style import style_sheet
from onyx_pipelines.restore.report.history import History
from onyx_pipelines.restore.report.history_chart import MOST_DRILLS, history_drawing
from onyx_pipelines.restore.report.html_tables import (
    badge,
    component_table,
    findings_table,
    history_table,
    passed_list,
)
from onyx_pipelines.restore.report.palette import verdict_role
from onyx_pipelines.restore.report.summary import (
    headline,
    last_passed_text,
    limits,
    passed_groups,
    problems,
    recovery_against_objective,
    recovery_notes,
    recovery_text,
    reproduce_command,
    versions,
)
from onyx_pipelines.restore.report.timeline_chart import timeline_drawing
from onyx_pipelines.restore.report.wording import (
    COMPONENT_NAMES,
    VERDICT_NAMES,
    VERDICT_SIGNS,
    count_text,
    duration_text,
    moment_text,
    size_text,
)
from onyx_pipelines.restore.results import DrillResult, age_s
from onyx_pipelines.restore.verdict import Verdict

# No script and no request, whatever a name smuggled in.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def report_html(result: DrillResult, earlier: History) -> str:
    """The whole page. `earlier` has the drills before this one, newest first."""
    title = f"Restore drill {VERDICT_NAMES[result.verdict]}: {moment_text(result.started_at)}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", Html(style_sheet())),
    )
    body = element(
        "main",
        element("p", f"Restore drill, {moment_text(result.started_at)}", class_="over"),
        _strip(result, earlier),
        _facts(result),
        _findings(result),
        _timeline(result),
        _components(result),
        _passed(result),
        _history(result, earlier),
        _reproduction(result),
    )
    page = element("html", head, element("body", body), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


def _strip(result: DrillResult, earlier: History) -> Html:
    chips = [
        element("li", COMPONENT_NAMES[drill.component], badge(drill.verdict))
        for drill in result.components
    ]
    if chips:
        chips.append(element("li", "Recovery time", _recovery_badge(result)))
    return element(
        "header",
        element(
            "h1",
            element("span", VERDICT_SIGNS[result.verdict], class_="sign", aria_hidden="true"),
            VERDICT_NAMES[result.verdict].upper(),
        ),
        element("p", headline(result)),
        element("ul", *chips, class_="chips") if chips else Html(),
        _last_passed(earlier) if result.verdict is not Verdict.PASSED else Html(),
        class_=f"strip {verdict_role(result.verdict)}",
    )


def _recovery_badge(result: DrillResult) -> Html:
    if not result.recovery_is_measured:
        return badge(Verdict.COULD_NOT_VERIFY, "not measured")
    if result.within_objective:
        return badge(Verdict.PASSED, "within the objective")
    return badge(Verdict.FAILED, "over the objective")


def _facts(result: DrillResult) -> Html:
    plain_bytes = sum(drill.plain_bytes for drill in result.components)
    took_s = (result.finished_at - result.started_at).total_seconds()
    cards = [
        _recovery_card(result),
        _card(
            "Recovery point",
            f"{duration_text(age_s(result.recovery_point, result.started_at))} old",
            f"Data as of {moment_text(result.recovery_point)}; age when the drill began.",
        ),
        _card(
            "Drill took",
            duration_text(took_s),
            f"Began {moment_text(result.started_at)}; {size_text(plain_bytes)} of data.",
        ),
        _card(
            "Restored from store",
            result.store,
            joined(["Backup set ", element("code", result.backup_id)]),
            "broad",
        ),
    ]
    return element("dl", *cards, class_="facts")


def _recovery_card(result: DrillResult) -> Html:
    over = result.recovery_is_measured and not result.within_objective
    mark = " over-limit" if over else ""
    gauge = Html()
    if result.recovery_is_measured:
        percent = min(100.0, 100 * result.recovery_s / result.objective_s)
        fill = element("div", class_=mark.strip(), style=f"width:{max(percent, 0.6):.1f}%")
        gauge = element("dd", element("div", fill, class_="gauge"), aria_hidden="true")
    return element(
        "div",
        element("dt", "Recovery time"),
        element("dd", recovery_text(result), class_=f"figure{mark}"),
        gauge,
        element("dd", recovery_against_objective(result)),
        *(element("dd", note, class_="note") for note in recovery_notes(result)),
        class_="broad",
    )


def _last_passed(earlier: History) -> Html:
    return element(
        "p",
        element("strong", "Last set that passed: "),
        last_passed_text(earlier.drills),
        class_="turn-to",
    )


def _card(name: str, value: str, detail: str, kind: str = "") -> Html:
    return element(
        "div",
        element("dt", name),
        element("dd", value, class_="figure"),
        element("dd", detail),
        class_=kind,
    )


def _findings(result: DrillResult) -> Html:
    found = problems(result)
    if not found:
        return Html()
    failed = sum(problem.finding.verdict is Verdict.FAILED for problem in found)
    parts = [
        count_text(failed, "failed comparison") if failed else "",
        f"{len(found) - failed:,} that could not be made" if len(found) > failed else "",
    ]
    return element(
        "section",
        element("h2", "What did not pass"),
        element("p", f"{', '.join(filter(None, parts))}.", class_="note"),
        findings_table(found),
        class_="long",
    )


def _timeline(result: DrillResult) -> Html:
    charts = []
    for layout in (WIDE, NARROW):
        drawing = timeline_drawing(result, layout)
        if drawing is None:
            return _section("Timeline", "No step was timed: the drill ended before the first one.")
        chart = to_svg(drawing, f"timeline-{layout.name}")
        charts.append(element("div", chart, class_=layout.name))
    return _section(
        "Timeline",
        "What ran when. Preparing, fetching and restoring make the recovery time; comparing proves"
        " the data and is not part of it.",
        element("figure", *charts),
    )


def _components(result: DrillResult) -> Html:
    if not result.components:
        return Html()
    return _section(
        "Components",
        "Seconds of each step. Recovery is prepare, fetch and restore; the rate is restored data"
        " (before compression) over recovery.",
        component_table(result),
    )


def _passed(result: DrillResult) -> Html:
    groups = passed_groups(result)
    total = sum(len(group.items) for group in groups)
    if not groups:
        return _section("What passed", "No comparison passed.")
    parts = [passed_list(groups)]
    open_ends = limits(result)
    if open_ends:
        parts += [
            element("p", "What this leaves open:", class_="note"),
            element("ul", *(element("li", each, class_="name") for each in open_ends)),
        ]
    return _section("What passed", f"{count_text(total, 'comparison')}.", *parts)


def _history(result: DrillResult, earlier: History) -> Html:
    charts = [
        element(
            "div",
            to_svg(history_drawing(result, earlier.drills, layout), f"history-{layout.name}"),
            class_=layout.name,
        )
        for layout in (WIDE, NARROW)
    ]
    lost = [
        element("li", element("code", problem.directory.name), f": {problem.reason}", class_="name")
        for problem in earlier.unreadable
    ]
    unreadable = (
        joined(
            [
                element("h3", f"{count_text(len(lost), 'earlier report')} could not be read"),
                element("ul", *lost),
            ]
        )
        if lost
        else Html()
    )
    return _section(
        "Recovery time over the drills",
        _history_intro(earlier),
        element("figure", *charts),
        history_table(result, earlier.drills),
        unreadable,
    )


def _history_intro(earlier: History) -> str:
    if not earlier.drills:
        return "This is the first drill on record."
    text = f"This drill and {count_text(len(earlier.drills), 'earlier one')}"
    if len(earlier.drills) >= MOST_DRILLS:
        text += f"; the chart shows the newest {MOST_DRILLS}"
    return f"{text}. The scale is logarithmic."


def _reproduction(result: DrillResult) -> Html:
    pairs = [
        ("Drill", result.drill_id),
        ("Began", f"{moment_text(result.started_at)}"),
        ("Ended", f"{moment_text(result.finished_at)}"),
        ("onyx-pipelines", __version__),
        *((f"{component}: {tool}", version) for component, tool, version in versions(result)),
    ]
    return element(
        "section",
        element("h2", "Run it again"),
        element("pre", element("code", reproduce_command(result))),
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
