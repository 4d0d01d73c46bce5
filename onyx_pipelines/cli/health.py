"""`onyx health`: one sentence on the whole stack, with nothing else of ours running."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.health.rendering import age_text
from onyx_pipelines.health.rendering import as_json as written
from onyx_pipelines.health.verdict import Condition
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

_EXIT_CODES: Final = {
    Condition.OK: EXIT_FINE,
    Condition.DEGRADED: EXIT_BAD,
    Condition.FAILING: EXIT_BAD,
    Condition.UNKNOWN: EXIT_UNABLE,
}


def health(*, as_json: JsonOption = False) -> None:
    """How the whole stack is, in a sentence: backups, drills, load tests, scraping, alerts, errors,
    readiness. Exit code 0: all is well, 1: something is degraded or fails, 2: something is not
    known."""
    from onyx_pipelines.readiness.whole_stack import examine_whole  # it asks servers

    found = examine_whole(load_settings())
    if as_json:
        print_json(written(found))
    else:
        out.line(bold(found.sentence))
        rows: list[tuple[Part, ...]] = [
            (
                each.area.words,
                _styled(each.condition),
                each.summary,
                age_text(each, found),
                each.action,
            )
            for each in found.findings
        ]
        head = ("area", "condition", "what is known", "as of", "what to do")
        of = f" of {found.stack}" if found.stack else ""
        out.table(f"stack health{of}", head, rows)
        for each in found.findings:
            out.quote(f"{each.area.words}: {line}" for line in each.details)
    finish(_EXIT_CODES[found.condition])


def _styled(condition: Condition) -> Part:
    if condition is Condition.FAILING:
        return red(condition.value)
    if condition in {Condition.DEGRADED, Condition.UNKNOWN}:
        return yellow(condition.value)
    return condition.value.replace("_", " ")
