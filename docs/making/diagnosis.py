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
  What was mended helps some of the other half plainly: that alerts count, that https is asked, and
  the models' own time, which a single open fault called for.
- **Stand-ins.** PostgreSQL, Redis, nginx, Prometheus, Alertmanager and the exporters are real.
  Qdrant and the models' proxy are stand-ins with settable faults, Suna is a second application, and
  node_exporter reads a made-up machine with a small disk that is real.
- **Pace.** Everything is scraped every two seconds, and an alert must hold for an eighth of its
  usual time.
- **This measurement.** On two cores at a load of 11 to 36, parts of it in two sandboxes at once.
  Chat's baseline was set to 600 ms by hand for the kept-apart half and the open half's mild
  strikes; the command measures it at the start since. The playbooks were changed again afterwards,
  by rehearsals.

"""


_DRAW = "af35255"
_MISSED = """\
## What was missed among those kept apart, and why

Nothing was mended by these; they are what is left to do.

- **nginx has no connection left** (three times): the strike does not do what it says. nginx closes
  connections that it waits on as soon as it is short of them, and serves everybody else. They count
  as missed all the same.
- **Collections are red** (mild, clear): the exporter looks at Qdrant's collections once a minute,
  and was asked after 22 seconds.
- **Points are lost**: half of them are missed by nobody, as the other half is still found; and with
  the whole collection gone, searches end in errors that the application does not count as searches,
  so that only its error rate is seen. No step compares the points with those of the newest backup.
- **Scheduled runs failed** (mild): the one that failed is launched by a sensor and not by a
  schedule, and the figures are of schedules. What comes of it, a second store that is behind, is
  told later.
- **LiteLLM hangs** (mild: for six of seven seconds): at that moment it answered. That the minute
  before is asked for too was not enough here, and why was not found out.
"""
_MENDED = """\
## What the open half showed

The playbooks as they were first written named the right one in 10 of the 15 clear faults of the
open half. What was wrong in the other five, and in two more that were seen on the way:

- **A migration holds its locks**: nothing was named, as no step asked who waits for whom. Now one
  does: a transaction that does nothing, while a table is locked for all others.
- **PostgreSQL takes no writes any more**: sync-job-failure, as only that tasks fail was seen. Now
  steps ask whether it is read-only, and how many transactions are rolled back for any reason.
- **Redis is full**: nothing, though an alert fires and names its playbook. Now each playbook asks
  which alerts name it, and Redis' memory has a step of its own.
- **The certificate has ended**: nothing. The days that are left come with an answer over https, and
  one that has ended gets none. Now a step sees that nginx and what is behind it answer, and https
  does not.
- **Queries take long**: nothing, as with Redis. Slow queries make chat slow too, whose alert leads
  to the models' playbook: there a step asks for the models' own time instead of that alert.
- **PostgreSQL is stopped, comes back, and is stopped** (mild): sync-job-failure, as at the moment
  of the question it was there. Steps that ask whether it answers ask for the last minute, too.
- **Nothing is wrong**: high-resource-usage. A host whose processor figures are younger than five
  minutes seemed busy, as `rate` divides by all five; now the figure is a share of what there is.

With that, one of the 45 is missed in the open half: where only the application's own database takes
no writes, and few people are there, its error rate is told and nothing of the database is seen.
"""


def page() -> str:
    """The whole page, in Markdown."""
    found = read_figures()
    lines = [
        *_totals(found),
        *_table(found),
        "",
        *_MISSED.splitlines(),
        "",
        *_MENDED.splitlines(),
        "",
    ]
    return "\n".join([_HEAD, *lines, _HOW.format(draw=_DRAW).rstrip(), ""])


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
    yield f"By the rules of commit {list_text(list(found.commits))}. Their first version was"
    yield "not measured with the half that was kept apart."
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
