"""The tables of the HTML report.

On a phone a row becomes a card (the style sheet's `stacks`), which takes a table's meaning away
from screen readers; the explicit roles give it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from onyx_pipelines.page.markup import Html, element, joined
from onyx_pipelines.restore.report.palette import verdict_role
from onyx_pipelines.restore.report.summary import (
    PassedGroup,
    Problem,
    counted,
    recovery_text,
)
from onyx_pipelines.restore.report.wording import (
    COMPONENT_NAMES,
    NOTHING,
    STEP_NAMES,
    VERDICT_NAMES,
    VERDICT_SIGNS,
    duration_text,
    moment_text,
    percent_text,
    rate_text,
    size_text,
)
from onyx_pipelines.restore.results import ComponentDrill, DrillResult, Step
from onyx_pipelines.restore.verdict import Verdict

MOST_HISTORY_ROWS = 12
MOST_NAMES = 300


def badge(verdict: Verdict, word: str = "") -> Html:
    """Sign and word (the verdict's own if none is given); the colour only repeats them."""
    return element(
        "span",
        element("span", VERDICT_SIGNS[verdict], aria_hidden="true"),
        f" {word or VERDICT_NAMES[verdict]}",
        class_=f"badge {verdict_role(verdict)}",
    )


def findings_table(found: Sequence[Problem]) -> Html:
    """One body per component, in the order of `found`, which is by weight."""
    columns = [
        ("Verdict", "verdict"),
        ("Item", "name"),
        ("What is wrong", ""),
        ("Expected", "value"),
        ("Found", "value"),
    ]
    bodies = []
    for component, group in groupby(found, key=lambda problem: problem.component):
        rows = [_finding_row(problem) for problem in group]
        bodies.append(
            element("tbody", _group_row(COMPONENT_NAMES[component], 5), *rows, role="rowgroup")
        )
    return _table(columns, bodies, extra_class="findings")


def component_table(result: DrillResult) -> Html:
    columns = [("Component", ""), ("Verdict", ""), ("Data", "number")]
    columns += [(STEP_NAMES[step], "number") for step in Step]
    columns += [("Recovery", "number"), ("Rate", "number")]
    rows = [_component_row(drill) for drill in result.components]
    if len(rows) > 1:
        rows.append(_sum_row(result))
    return _table(columns, [element("tbody", *rows, role="rowgroup")], extra_class="dense")


def passed_list(groups: Sequence[PassedGroup]) -> Html:
    """Counts, and the names behind them on request."""
    columns = []
    for component, own in groupby(groups, key=lambda group: group.component):
        name = element("h3", COMPONENT_NAMES[component])
        columns.append(element("div", name, *(_passed_group(group) for group in own)))
    return element("div", *columns, class_="columns")


def history_table(result: DrillResult, earlier: Sequence[DrillResult]) -> Html:
    """The newest drills; the first row is this one. `earlier` is newest first."""
    columns = [
        ("Drill", ""),
        ("Verdict", ""),
        ("Recovery", "number"),
        ("Store", ""),
        ("Data as of", ""),
        ("Backup set", ""),
    ]
    drills = [result, *earlier[: MOST_HISTORY_ROWS - 1]]
    rows = [_history_row(drill, this=index == 0) for index, drill in enumerate(drills)]
    return _table(columns, [element("tbody", *rows, role="rowgroup")], extra_class="history")


def _finding_row(problem: Problem) -> Html:
    finding = problem.finding
    return _row(
        _cell("", badge(finding.verdict), "verdict full"),
        element("th", finding.item, scope="row", role="rowheader", class_="name mono full"),
        element(
            "td",
            element("strong", finding.aspect),
            element("br"),
            finding.message,
            role="cell",
            class_="full",
        ),
        _cell("Expected", finding.expected or NOTHING, "value mono"),
        _cell("Found", finding.found or NOTHING, "value mono"),
    )


def _component_row(drill: ComponentDrill) -> Html:
    seconds = {step: sum(t.duration_s for t in drill.steps if t.step is step) for step in Step}
    share = f" ({percent_text(drill.share)} of it)" if drill.share < 1 else ""
    measured = any(timing.step is Step.RESTORE for timing in drill.steps)
    recovery = duration_text(drill.extrapolated_recovery_s) if measured else NOTHING
    if measured and drill.share < 1:
        recovery = joined([recovery, element("br"), "for all of it"])
    return _row(
        element("th", COMPONENT_NAMES[drill.component], scope="row", role="rowheader"),
        _cell("", badge(drill.verdict)),
        _cell("Data", f"{size_text(drill.plain_bytes)}{share}", "number"),
        *(
            _cell(STEP_NAMES[step], duration_text(s) if s else NOTHING, "number")
            for step, s in seconds.items()
        ),
        _cell("Recovery", recovery, "number"),
        _cell("Rate", rate_text(drill.plain_bytes, drill.recovery_s), "number"),
    )


def _sum_row(result: DrillResult) -> Html:
    plain_bytes = sum(drill.plain_bytes for drill in result.components)
    timings = [timing for drill in result.components for timing in drill.steps]
    seconds = {step: sum(t.duration_s for t in timings if t.step is step) for step in Step}
    measured_s = sum(drill.recovery_s for drill in result.components)
    return element(
        "tr",
        element("th", "Together", scope="row", role="rowheader"),
        _cell("", badge(result.verdict)),
        _cell("Data", size_text(plain_bytes), "number"),
        *(
            _cell(STEP_NAMES[step], duration_text(s) if s else NOTHING, "number")
            for step, s in seconds.items()
        ),
        _cell("Recovery", recovery_text(result), "number"),
        _cell("Rate", rate_text(plain_bytes, measured_s), "number"),
        role="row",
        class_="sum",
    )


def _history_row(drill: DrillResult, *, this: bool) -> Html:
    began = moment_text(drill.started_at)
    name = joined([began, element("br"), element("span", "this drill", class_="note")])
    return _row(
        element(
            "th",
            name if this else began,
            scope="row",
            role="rowheader",
            class_="nowrap",
        ),
        _cell("", badge(drill.verdict)),
        _cell("Recovery", recovery_text(drill), "number"),
        _cell("Store", drill.store),
        _cell("Data as of", moment_text(drill.recovery_point), "nowrap"),
        _cell("Backup set", element("code", drill.backup_id[:8])),
    )


def _passed_group(group: PassedGroup) -> Html:
    names = counted(group.items)
    shown = ", ".join(names[:MOST_NAMES])
    rest = len(names) - MOST_NAMES
    more = f" and {rest:,} more, which drill.json names" if rest > 0 else ""
    return element(
        "details",
        element(
            "summary",
            element(
                "span", VERDICT_SIGNS[Verdict.PASSED], class_="badge passed", aria_hidden="true"
            ),
            f" {group.aspect}: {len(group.items):,}",
        ),
        element("p", f"{shown}{more}", class_="mono"),
    )


def _table(
    columns: Sequence[tuple[str, str]], bodies: Sequence[Html], *, extra_class: str = ""
) -> Html:
    heads = [
        element("th", name, scope="col", role="columnheader", class_=kind) for name, kind in columns
    ]
    head = element("thead", element("tr", *heads, role="row"), role="rowgroup")
    return element("table", head, *bodies, role="table", class_=f"stacks {extra_class}".strip())


def _group_row(name: str, columns: int) -> Html:
    head = element("th", name, colspan=str(columns), scope="rowgroup", role="rowheader")
    return element("tr", head, role="row", class_="group")


def _row(*cells: Html) -> Html:
    return element("tr", *cells, role="row")


def _cell(label: str, content: str, kind: str = "") -> Html:
    attributes = {"role": "cell"}
    if kind:
        attributes["class"] = kind
    if label:
        attributes["data_label"] = label
    return element("td", content, **attributes)
