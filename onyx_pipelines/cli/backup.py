"""`onyx backup run` and `onyx doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from onyx_pipelines.audit import audited, cli_origin
from onyx_pipelines.backup.whole_backup import run_backup
from onyx_pipelines.cli.bars import progress_bars
from onyx_pipelines.cli.reading_sets import ComponentsOption
from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import size_text
from onyx_pipelines.notify.configured import notified
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    JsonOption,
    Part,
    bold,
    finish,
    out,
    print_json,
    red,
)
from onyx_pipelines.vault.manifest import BackupType

app = typer.Typer(help="Take backups, with no Dagster instance.")


@app.command("run")
def run(
    *,
    backup_type: Annotated[
        BackupType, typer.Option("--type", help="What the set is asked to be retained as.")
    ] = BackupType.DAILY,
    components: ComponentsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up, verify, copy and prune, as the nightly job does."""
    settings = load_settings()
    with (
        notified(settings, Job.BACKUP) as about,
        audited(
            settings,
            action="backup.run",
            origin=cli_origin(),
            parameters={"type": backup_type, "components": components},
        ) as entry,
        progress_bars(shown=not as_json) as progress,
    ):
        outcome = run_backup(
            settings,
            backup_type=backup_type,
            components=frozenset(components) if components else None,
            progress=progress,
        )
        entry.about(outcome.backup_id)
        entry.result(verdict=outcome.status, detail="; ".join(outcome.problems))
        about.details = {
            "set": outcome.backup_id,
            "sealed size": size_text(outcome.sealed_bytes),
            "status": outcome.status,
        }
        about.problems = outcome.problems
    if as_json:
        print_json(outcome.as_json())
    else:
        out.line(bold(outcome.backup_id), f" {outcome.status}")
        out.line(f"{size_text(outcome.plain_bytes)} sealed into {outcome.location}")
        for problem in (*outcome.problems, *outcome.warnings):
            out.warning(problem)
    finish(EXIT_BAD if outcome.problems else 0)


@app.command("start-containers")
def start_containers() -> None:
    """Start the containers that a killed backup left stopped. The next backup does it as well."""
    from onyx_pipelines.sources.volumes import restart_journalled

    settings = load_settings()
    with audited(settings, action="backup.start-containers", origin=cli_origin()) as entry:
        started = restart_journalled(settings)
        entry.result(verdict="done", detail=", ".join(started))
    out.line(f"started: {', '.join(started)}" if started else "No container was left stopped.")


def doctor(
    *,
    metrics: Annotated[
        str,
        typer.Option(
            "--metrics",
            metavar="URL",
            help="Look at this address instead, as Prometheus scrapes it: which alerts would be"
            " blind there.",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Check tools, keys, stores, sources, clock and space, and say what to mend."""
    if metrics:
        _look_at(metrics, as_json=as_json)
        return
    from onyx_pipelines.backup.doctor import examine

    results = examine(load_settings())
    if as_json:
        print_json([asdict(result) for result in results])
    else:
        rows: list[tuple[Part, ...]] = [
            ("ok" if result.ok else red("NOT OK"), result.name, result.detail, result.remedy)
            for result in results
        ]
        out.table("onyx doctor", ("", "check", "found", "what to do"), rows)
    finish(0 if all(result.ok for result in results) else EXIT_BAD)


def _look_at(url: str, *, as_json: bool) -> None:
    from onyx_pipelines.monitoring.live_target import look

    looked = look(url)
    if as_json:
        print_json(asdict(looked))
    elif looked.blind:
        rows: list[tuple[Part, ...]] = [
            (red("BLIND"), each.rule, "; ".join(each.lacks)) for each in looked.blind
        ]
        out.table(", ".join(looked.jobs), ("", "alert or figure", "why"), rows)
    elif looked.jobs:
        out.line(f"Every alert that reads {', '.join(looked.jobs)} sees what it needs.")
    else:
        out.line("No alert reads anything of this service.")
    finish(EXIT_BAD if looked.blind else 0)
