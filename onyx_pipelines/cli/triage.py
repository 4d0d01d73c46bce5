"""`onyx triage`: what is wrong now, why one thinks so, and the next command. It changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    EXIT_FINE,
    EXIT_UNABLE,
    JsonOption,
    Part,
    bold,
    finish,
    out,
    print_json,
    red,
    yellow,
)

if TYPE_CHECKING:
    from onyx_pipelines.readiness.diagnosis import Triage


def triage(
    *,
    show_all: Annotated[
        bool, typer.Option("--all", help="Every step of every playbook, also the healthy ones.")
    ] = False,
    tree: Annotated[
        bool, typer.Option("--tree", help="Only the questions that lead to a playbook, for people.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Which playbook fits what is wrong now, with the evidence and the next command. Changes
    nothing. Exit code 0: nothing is wrong, 1: a playbook fits, 2: it could not tell."""
    # They ask servers; others must not wait for their import.
    from onyx_pipelines.readiness.decision_tree import as_text, decision_tree

    if tree:
        for line in as_text(decision_tree()):
            out.line(line)
        return
    from onyx_pipelines.readiness.rendering import as_json as written
    from onyx_pipelines.readiness.triage import triage as look

    settings = load_settings()
    found = look(settings)
    if as_json:
        print_json(written(found, settings.docs_url))
    else:
        _show(found, settings.docs_url, with_all=show_all)
    finish(EXIT_BAD if found.named else EXIT_UNABLE if found.could_not_tell else EXIT_FINE)


def _show(found: Triage, docs_url: str, *, with_all: bool) -> None:
    out.line(bold(found.sentence))
    for each in found.named:
        out.line()
        out.line(red(each.playbook.title), f" ({each.playbook.severity})")
        out.line(f"  {each.playbook.id.link(docs_url)}")
        for step in each.decided_by:
            out.quote([f"{step.step.asks} {step.text} (healthy: {step.step.healthy})", step.means])
        for action in each.playbook.resolution:
            if action.command:
                out.line("  next: ", bold(action.command))
                out.line(f"        {action.do}")
                break
    for reason, unknown in found.unknown_by_reason.items():
        out.line()
        out.line(yellow("could not tell: "), reason)
        out.quote(f"{each.playbook.id.value}: {each.playbook.title}" for each in unknown)
    if found.ruled_out:
        out.line()
        out.line(f"ruled out: {', '.join(each.playbook.id.value for each in found.ruled_out)}")
    if with_all:
        _table(found)


def _table(found: Triage) -> None:
    rows: list[tuple[Part, ...]] = [
        (playbook.playbook.id.value, each.step.id, each.outcome.value, each.text, each.means)
        for playbook in (*found.named, *found.could_not_tell, *found.ruled_out)
        for each in playbook.evidence
    ]
    out.table("every step", ("playbook", "step", "outcome", "seen", "which means"), rows)
