"""`onyx drill`: does a set come back, how fast, and is it the same data?"""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from onyx_pipelines.audit import Outcome, audited, cli_origin
from onyx_pipelines.cli.bars import progress_bars
from onyx_pipelines.cli.reading_sets import EXIT_CODES, ComponentsOption
from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.core.text import duration_text, limit_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.notify.configured import notified
from onyx_pipelines.reporting.publish import Published
from onyx_pipelines.restore.drill import run_drill
from onyx_pipelines.restore.report.formatting import finding_text
from onyx_pipelines.restore.report.writing import write_report
from onyx_pipelines.restore.results import DrillResult
from onyx_pipelines.sources.source import Component
from onyx_pipelines.terminal.output import (
    JsonOption,
    bold,
    err,
    finish,
    out,
    print_json,
)
from onyx_pipelines.vault.lock import ExclusiveLock


def drill(
    backup_id: Annotated[
        str, typer.Argument(metavar="ID", help='Backup id, the beginning of one, or "latest".')
    ] = "latest",
    *,
    store: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STORE",
            help="The store: local, offsite; default: off-site if it is there.",
        ),
    ] = None,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a set into scratch, compare it exactly, measure it, throw it away.

    Exit status 0: it passed; 1: it failed; 2: it could not be verified.
    """
    settings = load_settings()
    result = _drilled(settings, backup_id, store, components, shows_progress=not as_json)
    paths = write_report(result, settings.reports_dir, stack=settings.stack)
    for sentence in result.passed_over:
        err.warning(sentence)
    if as_json:
        print_json(_as_json(result, paths))
    else:
        show(result, paths)
    finish(EXIT_CODES[result.verdict])


def _drilled(
    settings: Settings,
    backup_id: str,
    store: str | None,
    components: list[Component] | None,
    *,
    shows_progress: bool,
) -> DrillResult:
    with (
        notified(settings, Job.DRILL) as about,
        audited(
            settings,
            action="drill",
            origin=cli_origin(),
            parameters={"set": backup_id, "store": store, "components": components},
        ) as entry,
        ExclusiveLock(settings.state_dir, "restore drill"),
        progress_bars(shown=shows_progress) as progress,
    ):
        result = run_drill(
            settings,
            backup_id=backup_id,
            store_name=store,
            components=components,
            drill_id=str(uuid.uuid4()),
            progress=progress,
        )
        entry.about(result.backup_id)
        passed = result.verdict is Verdict.PASSED
        entry.result(
            verdict=result.verdict.value,
            detail=" ".join(result.passed_over),
            outcome=Outcome.OK if passed else Outcome.FAILED,
        )
        about.details = {"set": result.backup_id, "verdict": result.verdict.value}
        about.warnings = result.passed_over
        if not passed:
            about.problems = (f"The restore drill of {result.backup_id}: {result.verdict.value}.",)
    return result


def _as_json(result: DrillResult, paths: Published) -> dict[str, object]:
    return {
        "drill_id": result.drill_id,
        "backup_id": result.backup_id,
        "store": result.store,
        "verdict": result.verdict.value,
        "seconds": result.recovery_s,
        "objective_seconds": result.objective_s,
        "passed_over": list(result.passed_over),
        "within_objective": result.recovery_is_measured and result.within_objective,
        "components": {
            each.component.value: {
                "verdict": each.verdict.value,
                "seconds": each.recovery_s,
                "problems": [finding.model_dump(mode="json") for finding in each.problems()],
            }
            for each in result.components
        },
        "report": str(paths.html),
    }


def show(result: DrillResult, paths: Published) -> None:
    out.line(bold(result.verdict.value.replace("_", " ").upper()), f" {result.backup_id}")
    rows = [
        (each.component.value, each.verdict.value.replace("_", " "), duration_text(each.recovery_s))
        for each in result.components
    ]
    out.table(f"from the {result.store} store", ("component", "verdict", "recovery"), rows)
    for each in result.components:
        for finding in each.problems()[:10]:
            out.line(finding_text(finding))
    out.line(
        f"recovery {duration_text(result.recovery_s)}, objective {limit_text(result.objective_s)};"
        f" report: {paths.html}"
    )
