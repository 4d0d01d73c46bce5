"""`onyx load-test`: send the load, read the report, promote a baseline; works without Dagster."""

from __future__ import annotations

from typing import Annotated

import typer

from onyx_pipelines.load_test.results import Scenario
from onyx_pipelines.terminal.output import JsonOption, storable

app = typer.Typer(help="How fast it is, and what limits it.")
baseline = typer.Typer(help="What later runs are compared with.")
app.add_typer(baseline, name="baseline")

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help='Its key, the beginning of one, or "latest".')
]


@app.command("run")
def run(
    *,
    profile: Annotated[
        str, typer.Option(help="full or quick; default: ONYX_LOAD_TEST_PROFILE.")
    ] = "",
    scenario: Annotated[
        list[Scenario] | None, typer.Option(help="Only this one; may be given several times.")
    ] = None,
    users: Annotated[int | None, typer.Option(min=1, help="Users at a time.")] = None,
    messages: Annotated[int | None, typer.Option(min=1, help="Messages of each user.")] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Repeats of the baseline block.")
    ] = None,
    step_seconds: Annotated[
        float | None, typer.Option(min=1, help="Seconds of each step of the sweep.")
    ] = None,
    label: Annotated[
        str,
        typer.Option(
            callback=storable, help="Go on with the run that was started under this label."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Send the load and judge it.

    Exit status 0: the objectives are met; 1: one is missed; 2: the run does not prove it.
    """
    from onyx_pipelines.cli import load_test_actions

    load_test_actions.run(
        profile=profile,
        scenarios=scenario,
        users=users,
        messages=messages,
        repeats=repeats,
        step_seconds=step_seconds,
        label=label,
        as_json=as_json,
    )


@app.command("report")
def report(run_key: RunArgument = "latest", *, as_json: JsonOption = False) -> None:
    """Write a run's report again, with today's objectives and baseline; sends nothing."""
    from onyx_pipelines.cli import load_test_actions

    load_test_actions.report(run_key, as_json=as_json)


@app.command("list")
def list_runs(*, as_json: JsonOption = False) -> None:
    """Every run, the newest first."""
    from onyx_pipelines.cli import load_test_actions

    load_test_actions.list_runs(as_json=as_json)


@baseline.command("list")
def list_baselines(*, as_json: JsonOption = False) -> None:
    """Every baseline, the newest first; the first one of an environment counts."""
    from onyx_pipelines.cli import load_test_actions

    load_test_actions.list_baselines(as_json=as_json)


@baseline.command("promote")
def promote(
    run_key: RunArgument,
    *,
    reason: Annotated[
        str,
        typer.Option(
            callback=storable,
            help="Why this one; it stays with the baseline.",
        ),
    ] = "",
    by: Annotated[
        str,
        typer.Option(
            callback=storable,
            help="Your name; default: the user of this host.",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Compare later runs of the same environment with this one."""
    from onyx_pipelines.cli import load_test_actions

    load_test_actions.promote(run_key, reason=reason, by=by, as_json=as_json)
