"""docs/diagnosis.md: how often the triage is right, from the figures of the benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.diagnosis_figures import FaultFigures, Figures, read_figures
from onyx_pipelines.core.text import list_text
from onyx_pipelines.monitoring.playbooks import Playbook

_HEAD = """\
# How well the triage diagnoses

<!-- Written from bench/diagnosis_figures.json and docs/making/diagnosis.py by `make docs`. -->

`onyx triage` names the playbook that fits ([Incidents](INCIDENTS.md)). `python -m bench.diagnosis`
measures how often it is the right one: thirty kinds of fault, each mild, clear and severe, are
struck for real in a sandbox that the real Prometheus, Alertmanager and exporters watch, with people
at work in it. Twelve seconds later, or twenty-two where something has to be answered or looked at
first, the triage is asked, once. Then the fault is made good, and Prometheus forgets what it saw
of it.

"""
_HOW = """\
## What that is worth

- **Kept apart.** The thirty faults were written, and fifteen of them drawn by the hash of their
  names, before any result was seen (commit `{draw}`). Rules were mended by the results of the open
  half alone; then the other half was struck, and its figure stands as it came.
- **What that does not say.** The playbooks' first version existed before the draw, written by
  somebody who had not seen these faults. But whoever wrote the faults knew the alerts of this
  stack, and mended the rules afterwards, knowing which faults there were, though not how they went.
- **Stand-ins.** PostgreSQL, Redis, nginx, Prometheus, Alertmanager and the exporters are real.
  Qdrant and the models' proxy are stand-ins with settable faults, Suna is a second application, and
  node_exporter reads a made-up machine with a small disk that is real.
- **Pace.** Everything is scraped every two seconds, and an alert must hold for an eighth of its
  usual time.

"""


def page() -> str:
    """The whole page, in Markdown."""
    found = read_figures()
    return "\n".join(
        [_HEAD + _HOW.format(draw=_DRAW).rstrip(), "", *_totals(found), *_table(found)]
    )


_DRAW = "b36f083"


def _totals(found: Figures) -> Iterator[str]:
    yield from (f"## Figures of {found.measured_on}", "", "| what | measured | target |")
    yield "|---|---|---|"
    for half, kept_apart, target in (
        ("kept apart", True, "at least 95 %"),
        ("the open half, by which rules were mended", False, ""),
    ):
        right, every = found.share(kept_apart=kept_apart)
        if every:
            share = f"{100 * right / every:.0f} % ({right} of {every})"
            missed = "" if not target or right >= 0.95 * every else "**missed**: "
            yield f"| right playbook first, {half} | {missed}{share} | {target} |"
    yield f"| healthy runs in which something was named | {found.blamed} of {found.healthy} | 0 |"
    yield f"| the longest triage | {found.slowest_s:g} s | 10 s |"
    yield ""


def _table(found: Figures) -> Iterator[str]:
    for heading, kept_apart in (("Kept apart", True), ("The open half", False)):
        half = [each for each in found.faults if each.kept_apart == kept_apart]
        yield from (f"## {heading}", "", "| fault | right | mild | clear | severe |")
        yield "|---|---|---|---|---|"
        for each in half:
            cells = (each.name, " or ".join(each.right), *_cells(each))
            yield f"| {' | '.join(cells)} |"
        yield ""
    yield "What two playbooks may claim:"
    yield ""
    for fault in found.faults:
        if fault.why:
            yield f"- {fault.name}: {fault.why}"


def _cells(fault: FaultFigures) -> Iterator[str]:
    for intensity in ("mild", "clear", "severe"):
        yield _cell(fault, fault.named.get(intensity))


def _cell(fault: FaultFigures, named: Sequence[Playbook] | None) -> str:
    if named is None:
        return "not tried"
    if not named:
        return "**nothing**"
    also = f", also {list_text(list(named[1:]))}" if named[1:] else ""
    return f"✓{also}" if named[0] in fault.right else f"**{named[0]}**{also}"
