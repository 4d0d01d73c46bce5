"""The part of docs/LAUNCH.md on the day itself, from `go_live.yaml` (AC9.7.2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docs.making.words import one_line
from onyx_pipelines.core.text import limit_text, list_text
from onyx_pipelines.readiness.launch.go_live import Criterion, GoLive, Task, Watch, go_live
from onyx_pipelines.readiness.playbook import Action, Measured

_HEAD = """\
## Going live

`onyx launch plan --date 2026-12-15T09:00` prints this with its dates. T is when it opens. Words in
capitals (`NAME`, `RELEASE`, `ID`) are filled in by whoever types.
"""
# Sign-offs and the bundle: nothing of it is written elsewhere.
_BY_HAND: Final = Path(__file__).with_name("signing_off.md")


def sections() -> Iterator[str]:
    """Lines of Markdown."""
    procedure = go_live()
    yield from (_BY_HAND.read_text(encoding="utf-8"), _HEAD)
    yield from _timeline(procedure)
    yield from ("", "### Go, or no go", "")
    yield from ("`onyx launch decide` answers. All of:", "")
    yield from (f"- {_criterion(each)}" for each in procedure.criteria)
    yield from _rollback(procedure)
    yield from ("", "### The watch afterwards", "")
    for each in procedure.watch:
        yield from _watch(each)


def _timeline(procedure: GoLive) -> Iterator[str]:
    for moment in procedure.timeline:
        yield from (f"### {moment.when}: {moment.title}", "", "| owner | what | command |")
        yield "|---|---|---|"
        yield from (_task(each) for each in moment.tasks)
        yield ""


def _task(task: Task) -> str:
    command = f"`{task.command}`" if task.command else ""
    return f"| {task.owner} | {one_line(task.do)} | {command} |"


def _criterion(each: Criterion) -> str:
    if each.signed_by:
        return f"{each.asks} Sign-offs of {list_text(each.signed_by)} that count."
    return f"{each.asks} {list_text([f'`{item}`' for item in each.items])}".strip()


def _rollback(procedure: GoLive) -> Iterator[str]:
    back = procedure.rollback
    yield from ("", "### The way back", "")
    until = limit_text(back.until.total_seconds())
    yield f"**Decides:** {back.decides}, alone, until {until} after T;"
    yield from ("later going back loses more than it mends.", "")
    yield f"**Takes:** at most {limit_text(back.within.total_seconds())}."
    yield ""
    yield f"**Reason enough**, for {limit_text(back.holds.total_seconds())}, is any of:"
    yield ""
    yield from (f"- {each.asks} {_good(each)}" for each in back.when)
    yield ""
    for number, step in enumerate(back.steps, 1):
        yield from _step(number, step)


def _good(each: Measured) -> str:
    return f"(Fine: `{each.query}` {each.healthy_words}.)"


def _step(number: int, step: Action) -> Iterator[str]:
    yield f"{number}. {step.do}"
    yield from ("", "    ```sh", f"    {step.command}", "    ```", "")
    yield f"    {step.effect}{f' Taken back by `{step.undo}`.' if step.undo else ''}"


def _watch(each: Watch) -> Iterator[str]:
    begins, ends = (limit_text(span.total_seconds()) for span in (each.begins, each.ends))
    start = "T" if not each.begins else f"T+{begins}"
    yield f"**{start} to T+{ends}** ({each.who}). {each.how}"
    yield f"Dashboards: {list_text(each.dashboards)}."
    yield f"Alerts to expect first: {list_text(each.alerts)}."
    yield ""
    yield from (f"- {one.asks} `{one.query}` {one.healthy_words}." for one in each.measured)
    yield ""
