"""`onyx rehearse`: break the sandbox on purpose, and see whether the playbook repairs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import NOTHING, list_text, second_text
from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.terminal.ending import UsageError
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    EXIT_FINE,
    EXIT_UNABLE,
    JsonOption,
    Part,
    Writer,
    bold,
    err,
    finish,
    out,
    print_json,
)

if TYPE_CHECKING:
    from onyx_pipelines.readiness.rehearsals.record import Rehearsal
    from onyx_pipelines.readiness.rehearsals.scenarios import Scenario
    from onyx_pipelines.reporting.tables import Table
    from onyx_pipelines.sandbox.stack import Sandbox

_EXIT_CODES = {
    Verdict.PASSED: EXIT_FINE,
    Verdict.FAILED: EXIT_BAD,
    Verdict.COULD_NOT_VERIFY: EXIT_UNABLE,
}


def rehearse(
    playbook: Annotated[
        str, typer.Argument(metavar="PLAYBOOK", help="Such as llm-service-down; see --list.")
    ] = "",
    *,
    every: Annotated[
        bool, typer.Option("--all", help="All playbooks, one after the other.")
    ] = False,
    listing: Annotated[
        bool, typer.Option("--list", help="Only which there are, and how the last ones went.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what would be broken, and what would be typed."),
    ] = False,
    times: Annotated[int, typer.Option(min=1, max=100, help="How often each.")] = 1,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            "--state-dir", help="Where the sandbox lives; default: one for game days alone."
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", metavar="FILE", help="Write the medians there, as JSON."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Break the sandbox for real in the way of a playbook; wait for the alert; diagnose; repair it
    by the playbook's commands as they are written; wait for the all-clear. Nothing but a sandbox is
    ever broken, and it is put right again. Exit code 0: it passed, 1: it failed, 2: it could not be
    rehearsed."""
    from onyx_pipelines.readiness.rehearsals.scenarios import SCENARIOS

    if playbook and playbook not in SCENARIOS:
        raise UsageError(
            f"There is no playbook {playbook}.", remedy=f"There are: {', '.join(SCENARIOS)}."
        )
    chosen = [SCENARIOS[playbook]] if playbook else list(SCENARIOS.values())
    sandbox = _sandbox(state_dir)
    if listing:
        _list(sandbox)
        return
    if bool(playbook) == every:
        raise UsageError(
            "Which incident is to be rehearsed?",
            remedy=f"Give --all, or one of: {', '.join(SCENARIOS)}.",
        )
    if dry_run:
        for scenario in chosen:
            _foretell(scenario, sandbox)
        return
    found = _rehearsed(chosen, times, sandbox, figures, err if as_json else out)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    finish(_EXIT_CODES[worst(each.verdict for each in found)])


def _rehearsed(
    chosen: Sequence[Scenario],
    times: int,
    sandbox: Sandbox,
    figures: Path | None,
    teller: Writer,
) -> list[Rehearsal]:
    from onyx_pipelines.readiness.rehearsals.book import RehearsalBook, newest_of_each
    from onyx_pipelines.readiness.rehearsals.figures import (
        figures_of,
        figures_table,
        load_text,
        write_figures,
    )
    from onyx_pipelines.readiness.rehearsals.report import headline, write_rehearsals
    from onyx_pipelines.sandbox.game_days.faults import FAULTS
    from onyx_pipelines.sandbox.game_days.game_day import GameDay
    from onyx_pipelines.sandbox.game_days.stage import stage

    found: list[Rehearsal] = []
    possible = [each for each in chosen if not FAULTS[each.id].why_not()]
    for each in chosen:
        if why := FAULTS[each.id].why_not():
            err.warning(f"Left out: {each.id}: {why}.")
    if not possible:
        raise NotFoundError(
            "Nothing of this can be rehearsed here.", remedy="See the warning above."
        )
    with stage(sandbox, err.line):
        day = GameDay(sandbox, err.line)
        # Known only now: where nothing is configured, it is the sandbox's own.
        state_dir, reports_dir = _places(sandbox)
        book = RehearsalBook(state_dir)
        for _ in range(times):
            for scenario in possible:
                rehearsal = day.rehearse(scenario)
                book.add(rehearsal)
                found.append(rehearsal)
                _tell(rehearsal, teller)
    newest = list(newest_of_each(book.all()).values())
    published = write_rehearsals(newest, found, reports_dir, stack=load_settings().stack)
    measured = figures_of(found)
    if figures is not None:
        write_figures(figures, measured)
    _show_table("medians", figures_table(measured), teller)
    teller.line(load_text(measured))
    teller.line(headline(newest))
    teller.line(f"The report: {published.html}")
    return found


def _tell(rehearsal: Rehearsal, teller: Writer) -> None:
    from onyx_pipelines.readiness.rehearsals.figures import seconds_text

    times = (rehearsal.detect_s, rehearsal.diagnose_s, rehearsal.repair_s, rehearsal.whole_s)
    detect, diagnose, repair, whole = map(seconds_text, times)
    teller.line(
        bold(f"{rehearsal.scenario}: {rehearsal.verdict.value.replace('_', ' ')}."),
        f" Detect {detect}, diagnose {diagnose}, repair {repair}, all-clear after {whole}.",
    )
    for problem in rehearsal.problems:
        teller.warning(problem)


def _list(sandbox: Sandbox) -> None:
    from onyx_pipelines.readiness.rehearsals.book import RehearsalBook, newest_of_each
    from onyx_pipelines.readiness.rehearsals.scenarios import SCENARIOS

    newest = newest_of_each(RehearsalBook(_places(sandbox)[0]).all())
    rows: list[tuple[Part, ...]] = []
    for name, scenario in SCENARIOS.items():
        last = newest.get(name)
        when = second_text(last.struck_at) if last else NOTHING
        verdict = last.verdict.value.replace("_", " ") if last else "never rehearsed"
        rows.append((name, scenario.breaks, verdict, when))
    out.table("what can be rehearsed", ("playbook", "what is broken", "last", "when"), rows)


def _foretell(scenario: Scenario, sandbox: Sandbox) -> None:
    from onyx_pipelines.readiness.playbook import playbooks

    (written,) = [each for each in playbooks() if each.id is scenario.playbook]
    out.line(bold(scenario.id), f", in the sandbox of {sandbox.state_dir}")
    out.line(f"  would be broken: {scenario.breaks}")
    out.line(f"  expected alert: {list_text(sorted(scenario.alerts)).replace(' and ', ' or ')}")
    for action in written.resolution:
        if action.command:
            under = f"  (if: {', '.join(action.when)})" if action.when else ""
            out.line(f"  would be typed: {action.command}{under}")
    out.line("  Nothing was changed. Without --dry-run it is done, and put right again.")


def _show_table(title: str, table: Table, teller: Writer) -> None:
    ((_, rows),) = table.groups
    head = tuple(name for name, _ in table.columns)
    teller.table(title, head, [tuple(map(str, row)) for row in rows])


def _places(sandbox: Sandbox) -> tuple[Path, Path]:
    """Where rehearsals and their reports are kept: of this host, where it is configured."""
    settings = load_settings()
    if settings.backs_up:
        return settings.state_dir, settings.reports_dir
    return sandbox.state_dir / "state", sandbox.state_dir / "reports"


def _sandbox(state_dir: Path | None) -> Sandbox:
    """One of its own, so that what somebody tries out in theirs is left alone."""
    from onyx_pipelines.cli.sandbox import sandbox_of

    theirs = sandbox_of(state_dir)
    if state_dir is not None:
        return theirs
    return sandbox_of(theirs.state_dir.with_name(f"{theirs.state_dir.name}-game-day"))
