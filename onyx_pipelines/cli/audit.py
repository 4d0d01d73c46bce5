"""`onyx audit`: who did what by hand, and whether that record is what was written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer

from onyx_pipelines.audit.chain import Finding, Severity
from onyx_pipelines.audit.operation import audited
from onyx_pipelines.audit.origin import cli_origin
from onyx_pipelines.audit.records import AuditRecord
from onyx_pipelines.audit.segments import read_copies
from onyx_pipelines.audit.trail import Trail
from onyx_pipelines.audit.verification import (
    ACCEPT_ACTION,
    AuditVerification,
    Verdict,
    to_accept,
    verify_copies,
    verify_trail,
)
from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.core.settings import Settings, StoreSettings, load_settings
from onyx_pipelines.core.text import utc_second
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    EXIT_UNABLE,
    JsonOption,
    bold,
    err,
    finish,
    out,
    print_json,
    red,
    storable,
    yellow,
)
from onyx_pipelines.vault.signing import Signers
from onyx_pipelines.vault.stores import open_stores, store_named
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust

app = typer.Typer(help="The tamper-evident record of manual operations.")

_EXIT_CODES = {
    Verdict.INTACT: 0,
    Verdict.DAMAGED: EXIT_BAD,
    Verdict.INCOMPLETE: EXIT_UNABLE,
}


FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="STORE",
        help="Read the copies in this store (local, offsite), not this host's trail.",
    ),
]


@app.command("show")
def show(
    *,
    last: Annotated[int, typer.Option(min=0, help="How many of the newest; 0: all.")] = 50,
    action: Annotated[
        str, typer.Option(help="Only this action, or those that begin so (`keys`).")
    ] = "",
    backup_id: Annotated[str, typer.Option(help="Only about the set whose id begins so.")] = "",
    store: FromOption = None,
    as_json: JsonOption = False,
) -> None:
    """The records, oldest first. --json gives them as they are; the table joins begin and end."""
    records, unreadable = _read(load_settings(), store)
    wanted = _about(records, action, backup_id)
    if as_json:
        chosen = [record for records in wanted for record in records]
        print_json([record.model_dump(mode="json") for record in chosen[-last:]])
    else:
        head = ("time (UTC)", "who", "from", "action", "set", "result", "detail")
        out.table("audit trail", head, [_row(records) for records in wanted[-last:]])
    if unreadable:
        err.line(f"{unreadable} lines are no records: see `onyx audit verify`.")


@app.command("verify")
def verify(*, store: FromOption = None, as_json: JsonOption = False) -> None:
    """Is the trail what was written? Compares it with its copies.

    Exit status 0: intact; 1: something was changed; 2: a store could not be asked.
    """
    settings = load_settings()
    signers = Trust.of(settings).signers
    if store is None:
        verification = verify_trail(Trail.of(settings), open_stores(settings), signers)
    else:
        chosen = _store(settings, store)
        verification = verify_copies(chosen, signers)
        if not verification.trails:
            raise NotFoundError(
                f"The {chosen.name} store has no copy of any trail.",
                remedy="Copies are made after each manual operation; see ONYX_OFFSITE_URL.",
            )
    if as_json:
        print_json(_as_json(verification))
    else:
        _show(verification)
    finish(_EXIT_CODES[verification.verdict])


@app.command("accept")
def accept(
    trail_id: Annotated[str, typer.Argument(metavar="TRAIL", help="As `verify` names it.")],
    *,
    reason: Annotated[
        str,
        typer.Option(
            callback=storable,
            help="Why this host has another trail now.",
        ),
    ],
) -> None:
    """State that an older trail of this host in the stores is known, e.g. of a lost machine."""
    settings = load_settings()
    trail = Trail.of(settings)
    accepted = to_accept(trail, open_stores(settings), trail_id, reason)
    with audited(
        settings,
        action=ACCEPT_ACTION,
        origin=cli_origin(),
        parameters=accepted.model_dump(),
        required=True,
    ):
        out.line(
            f"Accepted trail {trail_id} with {accepted.records} records, head {accepted.head}."
        )


def _read(settings: Settings, store: str | None) -> tuple[list[AuditRecord], int]:
    if store is None:
        lines = Trail.of(settings).lines()
    else:
        copies = read_copies(_store(settings, store), Signers())
        lines = [line for copy in copies for line in copy.lines]
    parsed = [line.record for line in lines]
    by_hash = {record.hash: record for record in parsed if record}
    return list(by_hash.values()), parsed.count(None)


def _about(records: Iterable[AuditRecord], action: str, backup_id: str) -> list[list[AuditRecord]]:
    """The chosen operations, each with its records."""
    operations: dict[str, list[AuditRecord]] = {}
    for record in records:
        if record.action.startswith(action):
            operations.setdefault(record.operation, []).append(record)
    return [
        each
        for each in operations.values()
        if not backup_id or any((r.backup_id or "").startswith(backup_id) for r in each)
    ]


def _store(settings: StoreSettings, name: str) -> Store:
    # As it was called when there were only two.
    return store_named(open_stores(settings), "local" if name == "local-store" else name)


def _row(records: list[AuditRecord]) -> tuple[str, ...]:
    first, last = records[0], records[-1]
    parameters = ", ".join(
        f"{name}={value}" for name, value in first.parameters.items() if value not in (None, "")
    )
    result, detail = "no end", ""
    if last.result is not None:
        outcome, verdict = last.result.outcome.value, last.result.verdict
        result = outcome if verdict in ("", outcome) else f"{outcome} ({verdict})"
        detail = last.result.detail
    origin = first.origin
    return (
        utc_second(first.time),
        f"{origin.actor}@{origin.host}",
        f"{origin.channel.value} {origin.address}".strip(),
        first.action,
        (last.backup_id or "")[:8],
        result,
        "; ".join(filter(None, (detail, parameters))),
    )


def _as_json(verification: AuditVerification) -> dict[str, object]:
    return {
        "ok": verification.verdict is Verdict.INTACT,
        "verdict": verification.verdict.value,
        "trails": [asdict(state) for state in verification.trails],
        "findings": [asdict(finding) for finding in verification.findings],
        "stores_not_asked": dict(verification.unasked),
    }


def _show(verification: AuditVerification) -> None:
    rows = [
        (s.place, s.host, s.trail, str(s.records), str(s.pending), s.head[:16])
        for s in verification.trails
    ]
    head = ("place", "host", "trail", "records", "not yet copied", "head")
    out.table("audit trail", head, rows)
    for finding in verification.findings:
        coloured = red if finding.severity is Severity.PROBLEM else yellow
        out.line(coloured(finding.severity.value), f" {_located(finding)}{finding.what}")
    for store, why in verification.unasked.items():
        out.line(f"not asked: the {store} store ({why})")
    out.line(bold(verification.verdict.value.upper()))


def _located(finding: Finding) -> str:
    line = f", line {finding.line}" if finding.line is not None else ""
    return f"{finding.where}{line}: " if finding.where else ""
