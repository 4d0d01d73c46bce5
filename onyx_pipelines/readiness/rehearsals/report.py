"""The last rehearsal of each playbook as a page below the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from onyx_pipelines.core.text import (
    NOTHING,
    count_text,
    duration_text,
    limit_text,
    list_text,
    moment_text,
    shortened,
    stamp_text,
    utc_minute,
)
from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.rehearsals.figures import figures_of, figures_table, load_text
from onyx_pipelines.readiness.rehearsals.figures import seconds_text as seconds
from onyx_pipelines.readiness.rehearsals.record import Rehearsal, TypedStep
from onyx_pipelines.readiness.rehearsals.scenarios import SCENARIOS
from onyx_pipelines.reporting.palette import Badge, badge
from onyx_pipelines.reporting.publish import Published, point_latest_at_newest, publish
from onyx_pipelines.reporting.tables import Cell, Mark, Table, plain_table
from onyx_pipelines.reporting.ticks import Tick

FOLDER: Final = "incident-rehearsals"
_RESULT_FILE: Final = "rehearsals.json"
_REMEDY: Final = "Then `onyx rehearse --all` again."
_LIST: Final = TypeAdapter(list[Rehearsal])
_SHOWN: Final = 160
_TICKS: Final = 6
_BADGES: Final[Mapping[Verdict, Badge]] = {
    Verdict.PASSED: badge("passed", "passed"),
    Verdict.FAILED: badge("failed", "failed"),
    Verdict.COULD_NOT_VERIFY: badge("could-not-verify", "could not verify"),
}
# A part of an incident: its colour, and what it is called.
PARTS: Final = (
    ("compare", "detect"),
    ("fetch", "diagnose"),
    ("restore", "repair"),
    ("clean-up", "until the all-clear"),
)


def write_rehearsals(
    newest: Sequence[Rehearsal],
    session: Sequence[Rehearsal],
    reports_dir: Path,
    *,
    stack: str = "",
) -> Published:
    """Write `reports_dir/incident-rehearsals/<moment>/`.

    Args:
        newest: the last one of each scenario, at least one.
        session: those of which medians are told.

    Raises:
        ReportError: nothing was written.
    """
    at = max(each.struck_at for each in newest)
    published = publish(
        reports_dir / FOLDER / stamp_text(at),
        page(newest, session, stack=stack),
        _RESULT_FILE,
        _LIST.dump_json(list(newest), indent=1).decode(),
        remedy=_REMEDY,
    )
    point_latest_at_newest(reports_dir / FOLDER)
    return published


def page(newest: Sequence[Rehearsal], session: Sequence[Rehearsal], *, stack: str = "") -> str:
    """The whole page."""
    from onyx_pipelines.reporting.pages import render

    at = max(each.struck_at for each in newest)
    figures = figures_of(session)
    return render(
        "rehearsals",
        stack=stack,
        title="Game days",
        subtitle=f"Incidents rehearsed in the sandbox, the last at {moment_text(at)}",
        verdict=_BADGES[_verdict(newest)],
        headline=headline(newest),
        parts=PARTS,
        timeline=_timeline(newest),
        shown=newest_table(newest),
        medians=figures_table(figures),
        medians_note=load_text(figures),
        steps=[(each.scenario, SCENARIOS[each.scenario].breaks, _steps(each)) for each in newest],
        command="onyx rehearse --all",
        reproduction=[("rehearsals", ", ".join(each.rehearsal_id for each in newest))],
    )


def _verdict(newest: Sequence[Rehearsal]) -> Verdict:
    """A playbook that was never rehearsed is not known to work."""
    unknown = [Verdict.COULD_NOT_VERIFY] if _lacking(newest) else []
    return worst([*(each.verdict for each in newest), *unknown])


def _lacking(newest: Sequence[Rehearsal]) -> list[str]:
    there = {each.scenario for each in newest}
    return [each.value for each in Playbook if each.value not in there]


def headline(newest: Sequence[Rehearsal]) -> str:
    """All of it in one sentence."""
    passed = [each for each in newest if each.verdict is Verdict.PASSED]
    not_passed = [each.scenario for each in newest if each.verdict is not Verdict.PASSED]
    lacking = _lacking(newest)
    said = [f"{len(passed)} of {count_text(len(newest) + len(lacking), 'scenario')} passed"]
    if not_passed:
        said.append(f"not: {list_text(not_passed)}")
    if lacking:
        said.append(f"never rehearsed: {list_text(lacking)}")
    slowest = max((each.detect_s for each in newest if each.detect_s is not None), default=None)
    if slowest is not None:
        said.append(f"the slowest alert came after {duration_text(slowest)}")
    return f"{'; '.join(said)}."


def newest_table(newest: Sequence[Rehearsal]) -> Table:
    """A row for each: how it went, and how long each part took."""
    columns = [
        ("Scenario", "nowrap"),
        ("", ""),
        ("When (UTC)", "nowrap"),
        ("First told by", ""),
        ("Detect", "number"),
        ("Diagnose", "number"),
        ("Repair", "number"),
        ("All-clear after", "number"),
        ("Triage named", ""),
    ]
    return plain_table(
        columns,
        [
            (
                each.scenario,
                Cell(badge=_BADGES[each.verdict], notes=each.problems),
                utc_minute(each.struck_at),
                each.alert or NOTHING,
                *map(seconds, (each.detect_s, each.diagnose_s, each.repair_s, each.whole_s)),
                list_text([named.value for named in each.named]) or NOTHING,
            )
            for each in newest
        ],
    )


def _timeline(newest: Sequence[Rehearsal]) -> Table:
    """From the strike on, all on one scale."""
    longest = max((moment for each in newest for moment in _moments(each)), default=0.0) or 1.0
    return Table(
        [("Scenario", "name"), ("Since it was struck", "track"), ("All-clear after", "took")],
        [
            (
                "",
                [
                    (each.scenario, Cell(marks=_marks(each, longest)), seconds(each.whole_s))
                    for each in newest
                ],
            )
        ],
        ticks=[
            Tick(100 * number / _TICKS, limit_text(round(longest * number / _TICKS)))
            for number in range(_TICKS)
        ],
    )


def _marks(rehearsal: Rehearsal, longest_s: float) -> tuple[Mark, ...]:
    found, begin = [], 0.0
    for (role, words), end in zip(PARTS, _moments(rehearsal), strict=False):
        share = 100 / longest_s
        title = f"{words}: {duration_text(end - begin)}"
        found.append(Mark("bar", role, share * begin, share * (end - begin), title))
        begin = end
    return tuple(found)


def _moments(rehearsal: Rehearsal) -> list[float]:
    """Ends of its parts, until one did not come."""
    found = []
    for moment in (
        *(rehearsal.alerted_s, rehearsal.diagnosed_s),
        *(rehearsal.recovered_s, rehearsal.cleared_s),
    ):
        if moment is None:
            break
        found.append(moment)
    return found


def _steps(rehearsal: Rehearsal) -> Table:
    columns = [
        ("Step", ""),
        ("Typed as written", "mono"),
        ("Exit", "number"),
        ("Took", "number"),
    ]
    return plain_table(columns, [_step(each) for each in rehearsal.steps])


def _step(step: TypedStep) -> tuple[str | Cell, ...]:
    if step.left_out:
        return step.do, Cell(step.written, notes=(f"Left out. {step.left_out}",)), NOTHING, NOTHING
    last = [line for line in step.output.splitlines() if line.strip()][-1:]
    status = "too late" if step.exit_status is None else str(step.exit_status)
    shown = Cell(step.typed, notes=tuple(shortened(line, _SHOWN) for line in last))
    return step.do, shown, status, duration_text(step.took_s)
