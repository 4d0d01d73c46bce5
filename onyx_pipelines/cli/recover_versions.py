"""`onyx catalog recover-versions`: undo deletions and overwrites where the store keeps versions."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Annotated

import typer

from onyx_pipelines.audit import Entry, Outcome, audited, cli_origin
from onyx_pipelines.backup.host import BackupHost, open_host
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import count_text, utc_second
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    JsonOption,
    YesOption,
    err,
    finish,
    out,
    print_json,
)
from onyx_pipelines.vault.authenticity import distrust_of
from onyx_pipelines.vault.layout import is_backup_id
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines.vault.manifest import Manifest
from onyx_pipelines.vault.recovering import Recovery, plan_recovery, recover
from onyx_pipelines.vault.stores import store_named
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust


def recover_versions(
    *,
    only: Annotated[
        str, typer.Option("--set", metavar="ID", help="This set alone, by its whole id.")
    ] = "",
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"],
            help="Believe nothing that was written after this moment (UTC): for when whoever"
            " deleted may also have signed.",
        ),
    ] = None,
    store_name: Annotated[
        str | None,
        typer.Option("--store", metavar="NAME", help="Default: the first of the other stores."),
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring back what was deleted or overwritten in a store that keeps versions; --yes does it."""
    settings = load_settings()
    if only and not is_backup_id(only):
        raise SettingsError(f"{only!r} is no backup id.", remedy="Give it whole, or leave it out.")
    host = open_host(settings)
    store = _store(host, store_name)
    signers = Trust.of(settings).signers

    def trusts(manifest: Manifest) -> bool:
        return distrust_of(manifest, manifest.backup_id, signers) is None

    begun = (
        nullcontext(Entry(None))
        if not yes
        else audited(
            settings,
            action="recover-versions",
            origin=cli_origin(),
            parameters={
                "set": only,
                "store": store_name,
                "as_of": as_of.isoformat() if as_of else "",
            },
        )
    )
    with begun as entry, ExclusiveLock(settings.state_dir, "recover-versions"):
        recovery = plan_recovery(
            store,
            trusts=trusts,
            as_of=as_of.replace(tzinfo=UTC) if as_of else None,
            backup_id=only,
        )
        for step in recovery.steps if yes else ():
            recover(store, step)
        entry.result(
            verdict=f"recovered {count_text(len(recovery.steps), 'object')}",
            detail="; ".join(recovery.backup_ids),
            outcome=Outcome.FAILED if recovery.lost else Outcome.OK,
        )
    _show(recovery, done=yes, as_json=as_json)
    finish(EXIT_BAD if recovery.lost else 0)


def _store(host: BackupHost, name: str | None) -> Store:
    if name is None and not host.copies:
        raise SettingsError("There is no off-site store.", remedy="Set ONYX_OFFSITE_URL.")
    return store_named(host.stores, host.copies[0].name if name is None else name)


def _show(recovery: Recovery, *, done: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "done": done,
                "sets": list(recovery.backup_ids),
                "objects": [
                    {"key": step.key, "happened": step.happened, "version": step.version.version}
                    for step in recovery.steps
                ],
                "lost": [{"key": lost.key, "problem": lost.problem} for lost in recovery.lost],
            }
        )
        return
    rows = [
        (step.key, step.happened, utc_second(step.version.modified_at)) for step in recovery.steps
    ]
    out.table(
        "to be brought back" if not done else "brought back",
        ("object", "it was", "written (UTC)"),
        rows,
    )
    for lost in recovery.lost:
        err.warning(f"{lost.key} cannot be brought back: {lost.problem}")
    if not done:
        out.line("Nothing was changed. Run again with --yes to do it, then `onyx verify` the sets.")
