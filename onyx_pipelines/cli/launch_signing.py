"""`onyx launch sign|signoffs|revoke|decide|plan`: who answers for it, and when what is done."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from onyx_pipelines.audit import audited, cli_origin
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import moment_text, utc_minute, words
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
    from onyx_pipelines.readiness.launch.signing_off import Standing, Statement
    from onyx_pipelines.readiness.launch.signoff_book import Kept
    from onyx_pipelines.readiness.launch.standing import Launch

# A week before and after it are moments too, in every zone.
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9999
RoleOption = Annotated[Role, typer.Option("--role", help="Of those who sign.")]


def sign(
    *,
    role: RoleOption,
    name: Annotated[
        str, typer.Option(callback=storable, help="Yours; default: that of the key of --key.")
    ] = "",
    despite: Annotated[
        list[str] | None,
        typer.Option(
            "--despite",
            metavar="ITEM",
            help="Sign although this blocking item has not passed; each of them must be named.",
        ),
    ] = None,
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


def _show_open(launch: Launch) -> None:
    for item, result in launch.today.blockers(launch.asked):
        out.line(f"  {item.id} ({item.owner}): {result.found}")


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
