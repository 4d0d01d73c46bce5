"""`onyx launch sign|sign-bundle|accept|signoffs|revoke`: who answers for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onyx_pipelines.audit import audited, cli_origin
from onyx_pipelines.cli.launch_bundle import BundleArgument, SignerOption, believed
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import moment_text, words
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.readiness.launch.checklist import Role
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    JsonOption,
    YesOption,
    bold,
    finish,
    out,
    print_json,
    red,
    storable,
    yellow,
)

if TYPE_CHECKING:
    from onyx_pipelines.readiness.launch.objections import Standing
    from onyx_pipelines.readiness.launch.signing_off import Statement
    from onyx_pipelines.readiness.launch.signoff_book import Kept
    from onyx_pipelines.readiness.launch.standing import Launch

RoleOption = Annotated[Role, typer.Option("--role", help="Of those who sign.")]
DespiteOption = Annotated[
    list[str] | None,
    typer.Option(
        "--despite",
        metavar="ITEM",
        help="Sign although this blocking item has not passed; each of them must be named.",
    ),
]


def sign(
    *,
    role: RoleOption,
    name: Annotated[
        str, typer.Option(callback=storable, help="Yours; default: that of the key of --key.")
    ] = "",
    despite: DespiteOption = None,
    key: Annotated[
        Path | None,
        typer.Option(help="The file of your own key (`onyx keys leads`); default: this host's."),
    ] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what would be signed, and with --yes sign it for a role: commit, checklist, and what
    came of each item by the last `onyx launch check`. It counts for as long as none of that
    changes."""
    from onyx_pipelines.readiness.launch.signing_off import statement_of
    from onyx_pipelines.readiness.launch.standing import launch_of, signed, signing_key_for

    settings = load_settings()
    signing_key = signing_key_for(settings, role, key)
    if not (name or key):
        raise SettingsError("Nobody signs.", remedy="Give your name with --name.")
    launch = launch_of(settings)
    if not as_json:
        _show_review(launch)
    statement = statement_of(
        launch.review,
        launch.today,
        launch.asked,
        role,
        name or signing_key.signer.name,
        despite or (),
    )
    if not yes:
        if as_json:
            print_json({"would_sign": statement.model_dump(mode="json"), "signed": None})
            return
        _show_statement(statement, f"with the key of {signing_key.signer}")
        out.line("Nothing was signed. If that is what you answer for: again with --yes.")
        return
    with audited(
        settings,
        action="launch.sign",
        origin=cli_origin(),
        parameters={
            "role": role,
            "name": statement.name,
            "commit": statement.commit,
            "review": statement.review_sha256,
            "despite": statement.despite,
        },
        required=True,
    ) as entry:
        signoff = signed(settings, statement, signing_key)
        entry.result(verdict="signed", detail=f"{signoff}, with the key of {signing_key.signer}")
    if as_json:
        print_json({"would_sign": None, "signed": signoff.model_dump(mode="json")})
        return
    _show_statement(statement, f"with the key of {signing_key.signer}")
    out.line(bold("Signed."), f" {signoff}")


def sign_bundle(
    file: BundleArgument,
    to: Annotated[Path, typer.Argument(metavar="SIGNOFF", help="A new file, for the host.")],
    *,
    role: RoleOption,
    key: Annotated[Path, typer.Option(help="The file of your own key (`onyx keys leads`).")],
    signer: SignerOption = None,
    despite: DespiteOption = None,
    yes: YesOption = False,
) -> None:
    """Sign on your own machine, by a bundle that was brought there and that holds: your key does
    not leave it. `onyx launch accept` takes the sign-off in on the host."""
    from onyx_pipelines.readiness.launch.bundling import read_bundle
    from onyx_pipelines.readiness.launch.signing_off import sign as put_signature
    from onyx_pipelines.readiness.launch.signing_off import statement_of
    from onyx_pipelines.readiness.launch.signoff_book import write_signoff
    from onyx_pipelines.readiness.launch.standing import holding_launch
    from onyx_pipelines.vault.signing import load_signing_key

    settings = load_settings()
    signing_key = load_signing_key(key)
    now = datetime.now(UTC)
    launch = holding_launch(read_bundle(file), believed(settings, signer), now)
    _show_review(launch)
    statement = statement_of(
        launch.review, launch.today, launch.asked, role, signing_key.signer.name, despite or ()
    )
    _show_statement(statement, f"with the key of {signing_key.signer}")
    if not yes:
        out.line("Nothing was signed. If that is what you answer for: again with --yes.")
        return
    write_signoff(to, put_signature(statement, signing_key, now))
    out.line(bold("Signed. "), f"On the host: onyx launch accept {to.name}")


def accept(
    file: Annotated[Path, typer.Argument(metavar="SIGNOFF", help="What `sign-bundle` wrote.")],
) -> None:
    """Take in a sign-off that was made on a lead's own machine, if it counts for what there is."""
    from onyx_pipelines.readiness.launch.signoff_book import read_signoff
    from onyx_pipelines.readiness.launch.standing import accept_signoff

    settings = load_settings()
    signoff = read_signoff(file)
    with audited(
        settings,
        action="launch.accept",
        origin=cli_origin(),
        parameters={
            "role": signoff.statement.role,
            "name": signoff.statement.name,
            "commit": signoff.statement.commit,
            "review": signoff.statement.review_sha256,
            "despite": signoff.statement.despite,
        },
        required=True,
    ) as entry:
        accept_signoff(settings, signoff)
        entry.result(verdict="accepted", detail=str(signoff))
    out.line(bold("Accepted."), f" {signoff}")


def signoffs(*, as_json: JsonOption = False) -> None:
    """Who has signed, and whether that still counts. Exit code 0: every role's does, 1: one is
    missing or does not count."""
    from onyx_pipelines.readiness.launch.signoff_book import SignOffBook
    from onyx_pipelines.readiness.launch.standing import launch_of

    settings = load_settings()
    kept = SignOffBook.of(settings).all()
    launch = launch_of(settings)
    if as_json:
        print_json([_standing_json(each) for each in launch.standings])
    else:
        _show_standings(launch.standings)
        _show_history(kept)
    finish(0 if all(each.counts for each in launch.standings) else EXIT_BAD)


def revoke(
    *,
    role: RoleOption,
    reason: Annotated[str, typer.Option(callback=storable, help="Why; people read it.")],
) -> None:
    """Take back the newest sign-off of a role. It stays in the list, and counts no more."""
    from onyx_pipelines.readiness.launch.signoff_book import SignOffBook

    settings = load_settings()
    origin = cli_origin()
    with audited(
        settings,
        action="launch.revoke",
        origin=origin,
        parameters={"role": role, "reason": reason},
    ) as entry:
        kept = SignOffBook.of(settings).revoke(
            role, by=origin.actor, reason=reason, at=datetime.now(UTC)
        )
        entry.result(verdict="revoked", detail=str(kept.signoff))
    out.line(f"Taken back: {kept.signoff}.")


def _show_review(launch: Launch) -> None:
    review = launch.today
    rows = []
    for section in launch.asked.sections:
        for item, result in review.of(section):
            verdict = words(result.verdict)
            fine = result.verdict is Verdict.PASSED
            shown = verdict if fine else red(verdict) if item.blocks else yellow(verdict)
            rows.append((item.id, shown, result.found))
    out.table(f"commit {review.commit}", ("item", "verdict", "evidence"), rows)
    out.line(f"{review.whole(launch.asked).sentence}.")


def _show_statement(statement: Statement, key: str) -> None:
    out.line(f"{statement.name}, for {statement.role}, {key}:")
    lines = [
        f"commit      {statement.commit}",
        f"checklist   {statement.checklist_sha256}",
        f"review      {statement.review_sha256}",
    ]
    out.quote([*lines, *(f"despite     {each}" for each in statement.despite)])


def _show_standings(standings: tuple[Standing, ...]) -> None:
    rows = [
        (each.role, bold("yes") if each.counts else red("no"), each.sentence) for each in standings
    ]
    out.table("sign-offs", ("role", "counts", "who and why"), rows)
    for each in standings:
        out.quote(f"{each.role}: {objection.what}" for objection in each.objections)


def _show_history(kept: list[Kept]) -> None:
    rows = [
        (
            moment_text(each.signoff.signature.signed_at),
            each.signoff.statement.role,
            each.signoff.statement.name,
            each.signoff.statement.commit[:12],
            f"taken back: {each.revocation.reason}" if each.revocation else "",
        )
        for each in kept
    ]
    out.table("all that were made", ("signed", "role", "name", "commit", ""), rows)


def _standing_json(each: Standing) -> dict[str, Any]:
    return {
        "role": each.role,
        "counts": each.counts,
        "signoff": each.signoff.model_dump(mode="json") if each.signoff else None,
        "objections": [
            {"kind": one.kind, "what": one.what, "item": one.item_id} for one in each.objections
        ],
    }
