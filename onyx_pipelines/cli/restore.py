"""`onyx restore`: the real one, for when data is lost. Works with a key and a store alone."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from onyx_pipelines.audit import audited, cli_origin
from onyx_pipelines.cli.bars import progress_bars
from onyx_pipelines.cli.reading_sets import EXIT_CODES, ComponentsOption
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.core.text import count_text, duration_text, second_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.audited_restore import audited_restore
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.journal import DESPITE
from onyx_pipelines.restore.report.formatting import finding_text, speed_text
from onyx_pipelines.restore.whole_restore import (
    RestorePlan,
    RestoreResult,
    plan_restore,
)
from onyx_pipelines.restore.whole_restore import abort as abort_restores
from onyx_pipelines.terminal.ending import UsageError
from onyx_pipelines.terminal.output import (
    JsonOption,
    Part,
    bold,
    err,
    finish,
    out,
    print_json,
    red,
)


def restore(
    backup_id: Annotated[
        str, typer.Argument(metavar="ID", help='Backup id, the beginning of one, or "latest".')
    ] = "",
    *,
    store: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="STORE",
            help="The store: local, offsite; default: local if it has the set.",
        ),
    ] = None,
    components: ComponentsOption = None,
    databases: Annotated[
        list[str] | None, typer.Option("--database", help="Only this database.")
    ] = None,
    tables: Annotated[
        list[str] | None, typer.Option("--table", help="Only SCHEMA.NAME of one --database.")
    ] = None,
    collections: Annotated[
        list[str] | None, typer.Option("--collection", help="Only this Qdrant collection.")
    ] = None,
    volumes: Annotated[list[str] | None, typer.Option("--volume", help="Only this volume.")] = None,
    paths: Annotated[
        list[str] | None, typer.Option("--path", help="Only this file or subtree of one --volume.")
    ] = None,
    into: Annotated[
        str,
        typer.Option(
            "--into",
            metavar="PLACE",
            help="Another place than the original: postgresql://USER@HOST:PORT[/DATABASE] or a"
            " database's name; http://HOST:PORT[/collections/NAME] or a collection's name; a"
            " directory.",
        ),
    ] = "",
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Only say what would be done (the default).")
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", "--yes", help="Do it: replace what the plan says.")
    ] = False,
    no_safety_backup: Annotated[
        bool,
        typer.Option("--no-safety-backup", help="Do not back up first what is replaced."),
    ] = False,
    no_globals: Annotated[
        bool, typer.Option("--no-globals", help="Leave PostgreSQL's roles and grants alone.")
    ] = False,
    keep_old: Annotated[
        bool,
        typer.Option("--keep-old", help="Keep replaced databases, renamed (Qdrant cannot rename)."),
    ] = False,
    make_devices: Annotated[
        bool, typer.Option("--make-devices", help="Restore device nodes of volumes too.")
    ] = False,
    force: Annotated[
        str,
        typer.Option(
            "--force-despite-differences",
            metavar="SET_ID",
            help="Put in place what differs, too: after you have read the differences that the same"
            " restore named; the whole id of the set.",
        ),
    ] = "",
    abort: Annotated[
        bool,
        typer.Option(
            "--abort", "--give-up", help="Abandon an interrupted restore, so that backups go on."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put data back. Without --confirm it only says what it would do.

    Everything is restored beside what is there, compared, and only then put in its place. The same
    call goes on where an interrupted one stopped, and with what one could not restore. Exit status
    0: restored and the same data; 1: something failed its comparison and was left as it was, or is
    not what it should be; 2: something could not be restored or verified.
    """
    settings = load_settings()
    if abort:
        _abort(settings)
        return
    if not backup_id:
        raise UsageError(
            "Which backup set is to be restored?",
            remedy='Give its id, or "latest"; `onyx catalog list` shows them.',
        )
    if confirm and plan_only:
        raise UsageError("--plan and --confirm exclude each other.", remedy="Give one of them.")
    choice = RestoreChoice(
        components=tuple(components or ()),
        databases=tuple(databases or ()),
        tables=tuple(tables or ()),
        collections=tuple(collections or ()),
        volumes=tuple(volumes or ()),
        paths=tuple(paths or ()),
        into=into,
        with_globals=not no_globals,
        keep_old=keep_old,
        make_devices=make_devices,
        despite_differences_of=force,
    )
    if not confirm:
        plan = plan_restore(settings, choice, backup_id=backup_id, store_name=store)
        if as_json:
            print_json(_plan_json(plan))
        else:
            show_plan(plan, safety=not no_safety_backup)
            out.line("Nothing was changed. Add --confirm to do it.")
        return
    _restore(
        settings,
        choice,
        backup_id,
        store,
        with_safety_backup=not no_safety_backup,
        as_json=as_json,
    )


def _restore(
    settings: Settings,
    choice: RestoreChoice,
    backup_id: str,
    store_name: str | None,
    *,
    with_safety_backup: bool,
    as_json: bool,
) -> None:
    def announce(plan: RestorePlan) -> None:
        if not as_json:
            show_plan(plan, safety=with_safety_backup)

    with progress_bars(shown=not as_json) as progress:
        result = audited_restore(
            settings,
            choice,
            backup_id=backup_id,
            store_name=store_name,
            with_safety_backup=with_safety_backup,
            origin=cli_origin(),
            command=shlex.join(["onyx", *sys.argv[1:]]),
            progress=progress,
            announce=announce,
        )
    if as_json:
        print_json(result_json(result))
    else:
        _show_result(result, settings)
    finish(EXIT_CODES[result.verdict])


def _abort(settings: Settings) -> None:
    with audited(settings, action="restore.give-up", origin=cli_origin(), required=True) as entry:
        done = abort_restores(settings)
        entry.result(verdict="aborted", detail=f"{count_text(len(done), 'leftover')} recovered")
    for each in done:
        out.line(f"recovered: {each}")
    out.line("No restore is under way. Backups go on.")


def _plan_json(plan: RestorePlan) -> dict[str, object]:
    return {
        "backup_id": plan.backup_id,
        "store": plan.store,
        "recovery_point": plan.recovery_point,
        "estimated_seconds": plan.estimate.seconds,
        "estimate_is_limit": plan.estimate.is_limit,
        "estimate_basis": plan.estimate.basis,
        "notes": list(plan.notes),
        "changes": [
            {"component": part.value, **vars(change)}
            for part, changes in plan.changes.items()
            for change in changes
        ],
    }


def result_json(result: RestoreResult) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "restore_id": result.restore_id,
        "backup_id": result.backup_id,
        "store": result.store,
        "verdict": result.verdict.value,
        "seconds": result.duration_s,
        "safety_backup_id": result.safety_backup_id or None,
        "notes": list(result.notes),
        "despite_differences": list(result.despite_differences),
        "components": {
            each.component.value: {
                "verdict": each.verdict.value,
                "seconds": each.recovery_s,
                "problems": [finding.model_dump(mode="json") for finding in each.problems()],
                "unfinished": list(each.unfinished),
                "indexed_after_seconds": each.indexed_after_s,
                "indexed_share": each.indexed_share,
                "indexing": [state.model_dump(mode="json") for state in each.indexing],
            }
            for each in result.components
        },
    }


def show_plan(plan: RestorePlan, *, safety: bool) -> None:
    out.line(
        bold(f"Restore of {plan.backup_id}"),
        f" from the {plan.store} store, the data of {second_text(plan.recovery_point)}",
    )
    rows: list[tuple[Part, ...]] = [
        (
            change.what,
            change.target,
            red("REPLACED") if change.overwrites else "new",
            change.detail,
        )
        for changes in plan.changes.values()
        for change in changes
    ]
    out.table("what is done", ("what", "where", "what is there", "more"), rows)
    if plan.overwritten:
        parts = ", ".join(part.value for part in plan.overwritten)
        if safety:
            out.line(f"First a safety backup of {parts} is taken.")
        else:
            out.line(red("No safety backup"), f" of {parts} is taken.")
    out.line(f"Expected time: {plan.estimate.text()}.")
    for note in plan.notes:
        err.line(f"note: {note}")


def _show_result(result: RestoreResult, settings: Settings) -> None:
    out.line(bold(result.verdict.value.replace("_", " ").upper()), f" {result.backup_id}")
    rows = [
        (each.component.value, each.verdict.value.replace("_", " "), duration_text(each.recovery_s))
        for each in result.components
    ]
    out.table(f"from the {result.store} store", ("component", "verdict", "recovery"), rows)
    for each in result.components:
        for finding in each.findings:
            if finding.verdict is not Verdict.PASSED or finding.aspect in {"in place", DESPITE}:
                out.line(finding_text(finding))
        if speed := speed_text(each):
            out.line(f"{each.component.value}: {speed}")
    if result.unfinished:
        out.line(
            f"Unfinished: {', '.join(result.unfinished)}. The same command goes on with that"
            " within a day; `onyx restore --abort` forgets it."
        )
        if result.may_be_forced:
            out.line(
                "Who has read the differences, and wants the data all the same, adds"
                f" --force-despite-differences {result.backup_id}"
            )
    if result.safety_backup_id:
        out.line(
            f"What was there before is in the set {result.safety_backup_id}, which is held until"
            " `onyx release` lets it go."
        )
        from onyx_pipelines.restore.safety_backup import warnings_of_set

        for warning in warnings_of_set(settings, result.safety_backup_id):
            out.warning(f"that set: {warning}")
    out.line(f"{duration_text(result.duration_s)} in all")
