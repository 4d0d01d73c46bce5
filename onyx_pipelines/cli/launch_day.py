"""`onyx launch decide|plan`: go or no go, and who does what when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import moment_text, utc_minute, words
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.terminal.output import EXIT_BAD, JsonOption, bold, finish, out, print_json, red

if TYPE_CHECKING:
    from onyx_pipelines.readiness.launch.standing import Launch

# A week before and after it are moments too, in every zone.
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9999


def decide(*, as_json: JsonOption = False) -> None:
    """Go, or no go, by each criterion of docs/LAUNCH.md. Exit code 0: go, 1: no go."""
    from onyx_pipelines.readiness.launch.standing import launch_of

    settings = load_settings()
    launch = launch_of(settings)
    decisions = launch.decisions(settings)
    is_go = all(each.verdict is Verdict.PASSED for each in decisions)
    if as_json:
        print_json(
            {
                "go": is_go,
                "commit": launch.review.commit,
                "at": launch.review.at,
                "criteria": [
                    {"id": each.criterion.id, "verdict": each.verdict, "found": each.found}
                    for each in decisions
                ],
            }
        )
    else:
        rows = [(each.criterion.asks, words(each.verdict), each.found) for each in decisions]
        out.table("go, or no go", ("criterion", "verdict", "found"), rows)
        _show_open(launch)
        out.line(bold("Go.") if is_go else red("No go."))
    finish(0 if is_go else EXIT_BAD)


def plan(
    *,
    date: Annotated[
        str, typer.Option(help="When it opens: 2026-12-15T09:00, with a zone or in UTC.")
    ],
    as_json: JsonOption = False,
) -> None:
    """The procedure of docs/LAUNCH.md with its dates: who does what when, and the way back."""
    from onyx_pipelines.readiness.launch.go_live import go_live, moments

    settings = load_settings()
    live_at = _moment(date)
    procedure = go_live(settings.alert_thresholds)
    dated = moments(procedure, live_at)
    if as_json:
        print_json(
            [
                {"at": at, "when": each.when, "title": each.title, "tasks": _plain(each.tasks)}
                for at, each in dated
            ]
        )
        return
    rows = [
        (f"{utc_minute(at)} ({each.when})", task.owner, task.do, task.command)
        for at, each in dated
        for task in each.tasks
    ]
    title = f"going live on {moment_text(live_at)}"
    out.table(title, ("UTC", "owner", "what", "command"), rows)
    back = procedure.rollback
    out.line(
        f"The way back: {back.decides} decides, until"
        f" {moment_text(live_at + back.until)}. Reason enough is any of:"
    )
    out.quote(f"{each.asks} ({each.query})" for each in back.when)
    steps = [(step.command, step.do, step.effect) for step in back.steps]
    out.table("the way back", ("command", "what", "what comes of it"), steps)
    watched = [
        (
            f"{utc_minute(live_at + each.begins)} to {utc_minute(live_at + each.ends)}",
            each.who,
            each.how,
            ", ".join(each.dashboards),
        )
        for each in procedure.watch
    ]
    out.table("the watch", ("UTC", "who", "how", "dashboards"), watched)


def _show_open(launch: Launch) -> None:
    for item, result in launch.today.blockers(launch.asked):
        out.line(f"  {item.id} ({item.owner}): {result.found}")


def _plain(tasks: Any) -> list[dict[str, Any]]:
    return [task.model_dump(mode="json") for task in tasks]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
            raise ValueError(text)
    except ValueError:
        raise SettingsError(
            f"{text!r} is not a moment.", remedy="Write it as 2026-12-15T09:00."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
