"""`onyx launch`: may the stack go live, what keeps it from it, and what people show for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from onyx_pipelines.audit import audited, cli_origin
from onyx_pipelines.cli import launch_bundle, launch_day, launch_signing
from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.core.text import moment_text, words
from onyx_pipelines.core.verdict import Verdict
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

if TYPE_CHECKING:
    from onyx_pipelines.readiness.launch.checklist import Checklist, Item
    from onyx_pipelines.readiness.launch.verdicts import ItemResult, LaunchReview

app = typer.Typer(help="May the stack go live? A checklist that looks for itself.")
app.command("sign")(launch_signing.sign)
app.command("signoffs")(launch_signing.signoffs)
app.command("revoke")(launch_signing.revoke)
app.command("decide")(launch_day.decide)
app.command("plan")(launch_day.plan)
app.command("bundle")(launch_bundle.bundle)
app.command("verify")(launch_bundle.verify)
app.command("sign-bundle")(launch_signing.sign_bundle)
app.command("accept")(launch_signing.accept)

_EXIT_CODES: Final = {
    Verdict.PASSED: EXIT_FINE,
    Verdict.FAILED: EXIT_BAD,
    Verdict.COULD_NOT_VERIFY: EXIT_UNABLE,
}
# What people have shown, and what they have not.
_OF_PEOPLE: Final = {
    Verdict.FAILED: "what was shown does not hold",
    Verdict.COULD_NOT_VERIFY: "waits for people",
}
ItemArgument = Annotated[
    str, typer.Argument(metavar="ITEM", callback=storable, help="Its id in docs/LAUNCH.md.")
]
ByOption = Annotated[str, typer.Option("--by", callback=storable, help="Your name.")]


@app.command("check")
def check(
    *,
    section: Annotated[
        list[str] | None,
        typer.Option("--section", callback=None, help="Only this section; may be repeated."),
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Every item, also those that passed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at everything that can be looked at, and at what people have shown for the rest. Exit
    code 0: nothing blocks the launch, 1: something that blocks failed, 2: something could not be
    verified."""
    # They ask servers; others must not wait for their import.
    from onyx_pipelines.readiness.launch.checklist import checklist
    from onyx_pipelines.readiness.launch.rendering import as_json as written
    from onyx_pipelines.readiness.launch.reviewing import review

    settings = load_settings()
    asked = _of_sections(checklist(settings.alert_thresholds), section or [])
    found = review(settings, asked)
    if not section:
        _keep(settings, found)
    if as_json:
        print_json(written(found, asked))
    else:
        _show(found, asked, with_all=show_all)
    finish(_EXIT_CODES[found.verdict(asked)])


@app.command("evidence")
def evidence(
    item_id: ItemArgument,
    *,
    by: ByOption,
    note: Annotated[str, typer.Option(callback=storable, help="What was done, in a line.")] = "",
    link: Annotated[str, typer.Option(callback=storable, help="Where it is to be seen.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="A file; it counts for as long as it does not change.")
    ] = None,
) -> None:
    """Show something for an item that nobody can look at; it takes the place of what was shown
    before."""
    from onyx_pipelines.readiness.launch.evidence import EvidenceFolder, evidence_for

    settings = load_settings()
    item, shown = evidence_for(
        _checklist(settings),
        item_id,
        by=by,
        note=note,
        link=link,
        file=file,
        now=datetime.now(UTC),
    )
    with audited(
        settings,
        action="launch.evidence",
        origin=cli_origin(),
        parameters={"item": item.id, "by": shown.by, "shown": shown.shown, "sha256": shown.sha256},
        required=True,
    ):
        EvidenceFolder(settings).keep(item, shown)
    out.line(item.asks)
    until = moment_text(shown.at + item.holds_for) if item.holds_for else "it is withdrawn"
    out.line(f"{shown.by} has shown: {shown.shown}. It counts until {until}.")


@app.command("withdraw")
def withdraw(
    item_id: ItemArgument,
    *,
    by: ByOption,
    reason: Annotated[str, typer.Option(callback=storable, help="Why it does not hold.")] = "",
    yes: YesOption = False,
) -> None:
    """What was shown for an item does not count any more."""
    from onyx_pipelines.readiness.launch.evidence import EvidenceFolder, manual_item

    settings = load_settings()
    item = manual_item(_checklist(settings), item_id)
    folder = EvidenceFolder(settings)
    shown = folder.of(item)
    if shown is None:
        raise NotFoundError(
            f"Nobody has shown anything for {item.id}.",
            remedy="`onyx launch check --all` says what was shown for which item.",
        )
    said = f"what {shown.by} showed on {moment_text(shown.at)}: {shown.shown}"
    if not yes:
        out.line(f"Would withdraw {said}. Add --yes to do it.")
        return
    with audited(
        settings,
        action="launch.withdraw",
        origin=cli_origin(),
        parameters={"item": item.id, "by": by, "reason": reason},
        required=True,
    ):
        folder.withdraw(item)
    out.line(f"Withdrawn: {said}.")


def _keep(settings: Settings, found: LaunchReview) -> None:
    from onyx_pipelines.readiness.launch.signing_off import SignOffError
    from onyx_pipelines.readiness.launch.standing import keep_review

    try:
        keep_review(settings, found)
    except SignOffError as error:
        # Whoever may only read still gets the answer.
        err.warning(f"Not kept, so nobody can sign it: {error}")


def _checklist(settings: Settings) -> Checklist:
    from onyx_pipelines.readiness.launch.checklist import checklist

    return checklist(settings.alert_thresholds)


def _of_sections(asked: Checklist, wanted: list[str]) -> Checklist:
    known = [each.id for each in asked.sections]
    if odd := [each for each in wanted if each not in known]:
        raise NotFoundError(
            f"The launch checklist has no section {odd[0]}.", remedy=f"It has: {', '.join(known)}."
        )
    return asked.of_sections(wanted) if wanted else asked


def _show(found: LaunchReview, asked: Checklist, *, with_all: bool) -> None:
    blockers = found.blockers(asked)
    out.line(bold("Nothing blocks the launch." if not blockers else "Not ready to go live."))
    out.line(f"{found.whole(asked).sentence}. What would go live: {found.commit}.")
    rows = []
    for section in asked.sections:
        of = found.progress(section)
        blocking = sum(item in section.items for item, _ in blockers)
        figures = (of.passed, of.failed, of.could_not_verify, blocking)
        rows.append((section.title, *(str(each) for each in figures)))
    head = ("section", "passed", "failed", "could not be verified", "block the launch")
    out.table("progress", head, rows)
    for verdict, style in ((Verdict.FAILED, red), (Verdict.COULD_NOT_VERIFY, yellow)):
        of_verdict = [each for each in blockers if each[1].verdict is verdict]
        looked = [each for each in of_verdict if each[0].is_automatic]
        told = [each for each in of_verdict if not each[0].is_automatic]
        for pairs, said in ((looked, words(verdict)), (told, _OF_PEOPLE[verdict])):
            if pairs:
                out.line()
                out.line(style(f"blocks the launch: {said}"))
                _list(pairs)
    if any(not item.is_automatic for item, _ in blockers):
        out.line()
        out.line("To show something: onyx launch evidence ITEM --by NAME --note TEXT")
        out.line("(or --link ADDRESS, or --file PATH)")
    if with_all:
        pairs = [pair for section in asked.sections for pair in found.of(section)]
        out.table("every item", ("item", "verdict", "found", "owner"), [_row(*e) for e in pairs])


def _list(pairs: Sequence[tuple[Item, ItemResult]]) -> None:
    """What was found once, under all items that it was found of."""
    by_reason: dict[str, list[Item]] = {}
    for item, result in pairs:
        by_reason.setdefault(result.found, []).append(item)
    for found, items in by_reason.items():
        for item in items:
            out.line("  ", bold(item.id), f" ({item.owner}): {item.asks}")
        out.quote([found])


def _row(item: Item, result: ItemResult) -> tuple[Part, ...]:
    said = words(result.verdict)
    style = {Verdict.FAILED: red, Verdict.COULD_NOT_VERIFY: yellow}.get(result.verdict)
    return item.id, style(said) if style else said, result.found, item.owner.value
