"""`onyx catalog`, `verify`, `prune`, `hold`, `release`: the sets that there are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from onyx_pipelines.audit import Entry, Outcome, audited, cli_origin
from onyx_pipelines.backup import retained_sets, verifying
from onyx_pipelines.backup.host import BackupHost, open_host
from onyx_pipelines.backup.rendering import (
    RETENTION_HEAD,
    prune_report_json,
    retention_rows,
    space_lines,
)
from onyx_pipelines.cli.bars import progress_bars
from onyx_pipelines.cli.recover_versions import recover_versions
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import duration_text, second_text, size_text, utc_second
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    EXIT_FINE,
    EXIT_UNABLE,
    JsonOption,
    Part,
    YesOption,
    bold,
    err,
    finish,
    out,
    print_json,
    red,
    storable,
    yellow,
)
from onyx_pipelines.vault.catalog import Catalog, CatalogRow
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines.vault.manifest import Manifest
from onyx_pipelines.vault.scanning import DamagedSet, UntrustedSet
from onyx_pipelines.vault.stores import store_named
from onyx_pipelines.vault.verification import VerificationVerdict

app = typer.Typer(help="The backup sets that the stores hold.")
app.command("recover-versions")(recover_versions)

SetArgument = Annotated[
    str, typer.Argument(metavar="ID", help='Backup id, the beginning of one, or "latest".')
]


_EXIT_CODES: Mapping[VerificationVerdict, int] = {
    VerificationVerdict.INTACT: EXIT_FINE,
    VerificationVerdict.DAMAGED: EXIT_BAD,
    VerificationVerdict.NOT_AUTHENTICATED: EXIT_UNABLE,
}


@app.command("list")
def list_sets(
    *,
    store: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this store's; for when another is down."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Every complete set, newest first; then the damaged ones, and those that do not count."""
    host = open_host(load_settings())
    stores = host.stores if store is None else [store_named(host.stores, store)]
    catalog = Catalog(stores, host.trust)
    rows = retained_sets.catalog_rows(host, catalog)
    others: list[tuple[str, DamagedSet | UntrustedSet]] = [
        *(("damaged", each) for each in catalog.damaged),
        *(("untrusted", each) for each in catalog.untrusted),
    ]
    if as_json:
        whole = [row.as_json() | {"problem": None} for row in rows]
        print_json([*whole, *(_other_json(*each) for each in others)])
    else:
        head = ("id", "recovery point", "status", "components", "size", "stores", "kept as", "")
        of = f" of {host.settings.stack}" if host.settings.stack else ""
        out.table(
            f"backup sets{of}", head, [*map(_cells, rows), *(_other_cells(*o) for o in others)]
        )
    _report_problems(catalog)


@app.command("show")
def show(backup_id: SetArgument, *, as_json: JsonOption = False) -> None:
    """One set: its manifest, and where it is."""
    host = open_host(load_settings())
    view = host.catalog.find(backup_id)
    manifest = view.manifest
    if as_json:
        print_json(_shown(manifest) | {"stores": list(view.stores), "held": view.held})
        return
    out.line(bold(manifest.backup_id), f" {manifest.shown_status}")
    out.line(f"recovery point {second_text(manifest.timestamp)}, host {manifest.host}")
    out.line(f"stores {', '.join(view.stores)}; {'held' if view.held else 'not held'}")
    for copy in view.copies:
        if copy.damage:
            out.warning(f"{copy.store}: {copy.damage}")
    for doubt in manifest.doubts:
        out.warning(doubt.what)
    for name, record in manifest.components.items():
        summary = ", ".join(f"{key} {value}" for key, value in record.summary.items())
        out.line(f"{name}: {record.shown_status}, {duration_text(record.duration_s)}; {summary}")
        for warning in record.warnings:
            out.warning(f"{name}: {warning}")
    out.table(
        "objects",
        ("object", "plain", "sealed", "SHA-256 (sealed)"),
        [
            (o.key, size_text(o.plain_bytes), size_text(o.sealed_bytes), o.sealed_sha256)
            for o in manifest.objects
        ],
    )


def verify(
    backup_id: SetArgument,
    *,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Whose copy is read: local, offsite. Default: the first store's."
        ),
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Unseal every object too (needs the private key).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a set back and compare every object with the manifest."""
    settings = load_settings()
    name = store or settings.places[0].name
    with (
        audited(
            settings,
            action="verify",
            origin=cli_origin(),
            parameters={"set": backup_id, "store": name, "deep": deep},
        ) as entry,
        progress_bars(shown=not as_json) as progress,
    ):
        host = open_host(settings)
        chosen = store_named(host.stores, name)
        found = Catalog([chosen], host.trust).identify(backup_id)
        entry.about(found)
        verification = verifying.verify_set(host, chosen, found, progress, deep=deep)
        entry.result(
            verdict=verification.verdict,
            detail="; ".join(f"{item.key}: {item.problem}" for item in verification.problems),
            outcome=Outcome.OK if verification.ok else Outcome.FAILED,
        )
    objects = [asdict(item) | {"ok": item.ok} for item in verification.objects]
    if as_json:
        print_json(
            {
                "ok": verification.ok,
                "verdict": verification.verdict,
                "authenticated": verification.authenticated,
                "distrust": verification.distrust,
                "deep": verification.deep,
                "backup_id": found,
                "store": chosen.name,
                "objects": objects,
            }
        )
    else:
        for item in verification.problems:
            out.line(red(item.key), f": {item.problem}")
        good = len(verification.objects) - len(verification.problems)
        out.line(f"{good} of {len(objects)} objects of {found} are right in {chosen.url}")
        if verification.reservation:
            out.warning(verification.reservation)
    finish(_EXIT_CODES[verification.verdict])


def prune(
    *,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """What retention keeps and prunes, and why; --yes deletes."""
    host = open_host(load_settings())
    with _prune_audited(host, yes) as entry, ExclusiveLock(host.settings.state_dir, "prune"):
        report = retained_sets.apply_retention(host, now=datetime.now(UTC), dry_run=not yes)
        problems = retained_sets.prune_problems(report)
        entry.result(
            verdict=f"pruned {len(report.pruned)}",
            detail="; ".join([*problems, *report.pruned]),
            outcome=Outcome.FAILED if report.failures else Outcome.OK,
        )
    if as_json:
        print_json(prune_report_json(report))
    else:
        out.table("retention", RETENTION_HEAD, retention_rows(report))
        for removal in report.leftovers:
            out.line(f"leftover in the {removal.store} store: {removal.what}")
        for line in space_lines(report):
            out.line(line)
        for problem in problems:
            err.warning(problem)
        if not yes:
            out.line("Nothing was deleted. Run again with --yes to do it.")
    finish(EXIT_BAD if problems else 0)


def hold(
    backup_id: SetArgument,
    *,
    reason: Annotated[
        str,
        typer.Option(
            callback=storable,
            help="Why; shown wherever the set is listed.",
        ),
    ] = "",
) -> None:
    """Keep a set whatever retention says, until it is released."""
    settings = load_settings()
    parameters = {"set": backup_id, "reason": reason}
    with audited(settings, action="hold", origin=cli_origin(), parameters=parameters) as entry:
        catalog = open_host(settings).catalog
        view = catalog.hold(backup_id, reason or "held by hand", now=datetime.now(UTC))
        entry.about(view.backup_id)
    out.line(f"{view.backup_id} is held: {view.hold_reason}")


def release(backup_id: SetArgument) -> None:
    """Leave a held set to retention again."""
    settings = load_settings()
    parameters = {"set": backup_id}
    with audited(settings, action="release", origin=cli_origin(), parameters=parameters) as entry:
        view = open_host(settings).catalog.release(backup_id)
        entry.about(view.backup_id)
    out.line(f"{view.backup_id} is held no longer.")


def _prune_audited(host: BackupHost, yes: bool) -> AbstractContextManager[Entry]:
    """Not a dry run. Nor is it required: pruning is what helps where the disk is full."""
    if not yes:
        return nullcontext(Entry(None))
    return audited(host.settings, action="prune", origin=cli_origin())


def _cells(row: CatalogRow) -> tuple[Part, ...]:
    return (
        row.backup_id[:8],  # enough for every command; the whole id would leave no room at 80
        utc_second(row.recovery_point),
        _status(row),
        ", ".join(row.components),
        size_text(row.size_bytes),
        ", ".join(row.stores),
        row.retained_as or "",
        f"held: {row.hold_reason}" if row.held else "",
    )


def _status(row: CatalogRow) -> Part:
    count = len(row.warnings)
    return yellow(f"{row.status}, {count} warning{'s' * (count > 1)}") if count else row.status


def _shown(manifest: Manifest) -> dict[str, Any]:
    """The manifest, its states in the words of all commands and of the API."""
    values = manifest.model_dump(mode="json")
    for name, record in manifest.components.items():
        values["components"][name]["status"] = record.shown_status
    return values | {"status": manifest.shown_status, "warnings": manifest.warnings}


def _other_cells(status: str, each: DamagedSet | UntrustedSet) -> tuple[Part, ...]:
    return each.backup_id[:8], "", red(status), "", "", each.store, "", each.what


def _other_json(status: str, each: DamagedSet | UntrustedSet) -> dict[str, object]:
    """The fields of a whole set, of which few are known (and none by a stranger's word)."""
    known = {
        "backup_id": each.backup_id,
        "status": status,
        "stores": [each.store],
        "problem": each.what,
    }
    return dict.fromkeys(field.name for field in fields(CatalogRow)) | known


def _report_problems(catalog: Catalog) -> None:
    for problem in catalog.problems:
        err.warning(f"{problem.store}: {problem.what}")
