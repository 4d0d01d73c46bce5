"""The draft of a post-mortem: all that the records say, in Markdown to go on with and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import (
    NOTHING,
    count_text,
    duration_text,
    list_text,
    moment_text,
    second_text,
)
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.readiness.incidents.record import Incident, What
from onyx_pipelines.readiness.incidents.timeline import Timeline, timeline_of
from onyx_pipelines.readiness.incidents.wording import alerts_text, title_of
from onyx_pipelines.reporting.markdown import code, table, text
from onyx_pipelines.reporting.pages import render
from onyx_pipelines.reporting.palette import Badge, badge
from onyx_pipelines.reporting.publish import Published, ReportError, point_latest_at_newest, publish
from onyx_pipelines.reporting.tables import Table, plain_table

FOLDER: Final = "incidents"
FILE: Final = "postmortem.md"
_NOT_YET: Final = "to be written"


@dataclass(frozen=True)
class PostMortem:
    """What both writings show. `impacts`: of the playbooks that were found to fit."""

    incident: Incident
    timeline: Timeline
    written_at: datetime

    @property
    def title(self) -> str:
        return title_of(self.incident)

    @property
    def impacts(self) -> tuple[str, ...]:
        found = self.incident.last_triage
        return tuple(each.impact for each in found.named) if found else ()

    @property
    def summary(self) -> str:
        """In a sentence or two."""
        it = self.incident
        lasted = f" for {_span(it.began_at, it.closed.at)}" if it.closed else ", and is not over"
        alerts = alerts_text(it)
        seen = f" Alerts: {alerts}." if alerts else ""
        return f"From {moment_text(it.began_at)}{lasted}: {it.sentence}{seen}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Names and values, times with their spans."""
        it, taken = self.incident, self.incident.acknowledged
        escalations = sum(each.what is What.ESCALATED for each in it.notes)
        return [
            ("incident", it.id),
            ("severity", it.severity.value),
            ("began", second_text(it.began_at)),
            ("detected", f"{second_text(it.opened_at)}, after {_span(it.began_at, it.opened_at)}"),
            (
                "acknowledged",
                f"{second_text(taken.at)} by {taken.by or 'somebody'}, after"
                f" {_span(it.opened_at, taken.at)}"
                if taken
                else "by nobody",
            ),
            ("escalated", count_text(escalations, "time") if escalations else "never"),
            (
                "repaired",
                f"{second_text(it.closed.at)}, after {_span(it.began_at, it.closed.at)}"
                if it.closed
                else NOTHING,
            ),
        ]


def write_postmortem(
    settings: Settings, incident: Incident, written_at: datetime, *, replace: bool = False
) -> Published:
    """Write `reports/incidents/<id>/`: the draft and the page.

    Args:
        replace: also over a draft that is there, which people may have worked on.

    Raises:
        ReportError: there is a draft already, or nothing was written.
    """
    folder = settings.reports_dir / FOLDER / incident.id
    if (folder / FILE).exists() and not replace:
        raise ReportError(
            f"There is a draft already: {folder / FILE}.",
            remedy="Go on with that one; --replace writes a new one over it.",
        )
    found = PostMortem(incident, timeline_of(settings, incident), written_at)
    published = publish(
        folder,
        as_page(found, stack=settings.stack),
        FILE,
        as_markdown(found),
        remedy=f"`onyx incident postmortem {incident.id}` writes it again.",
    )
    point_latest_at_newest(settings.reports_dir / FOLDER)
    return published


def draft_path(settings: Settings, incident: Incident) -> Path:
    """Where its draft is, once it is written."""
    return settings.reports_dir / FOLDER / incident.id / FILE


def as_markdown(found: PostMortem) -> str:
    """To go on with: what nobody but people know is left to them."""
    lines = [
        f"# Post-mortem: {text(found.title)}",
        "",
        f"Draft of {moment_text(found.written_at)}, from what was recorded. Blameless: what made it"
        " possible, not who.",
        *("", "## Summary", "", text(found.summary), ""),
        *table(("what", "value"), [(name, text(value)) for name, value in found.facts]).split("\n"),
        *("", "## Impact", "", *(_paragraphs(found.impacts) or [f"*{_NOT_YET}*"])),
        *("", "## Timeline", "", "Times in UTC.", "", *_timeline(found.timeline)),
        *("", "## What triage found", "", *_triages(found.incident)),
        *("", "## Cause", "", f"*{_NOT_YET}*"),
        *("", "## What went well, what did not", "", f"*{_NOT_YET}*"),
        *("", "## Follow-ups", "", "| what | who | until |", "|---|---|---|", "| | | |"),
    ]
    return "\n".join(lines) + "\n"


def as_page(found: PostMortem, *, stack: str = "") -> str:
    """The same for a browser."""
    return render(
        "incident",
        stack=stack,
        title=found.title,
        subtitle=f"Incident {found.incident.id}, draft of a post-mortem",
        verdict=_badge(found.incident),
        headline=found.summary,
        facts=found.facts,
        impacts=found.impacts,
        timeline=timeline_table(found.timeline),
        unknown=found.timeline.unknown,
        triages=found.incident.triages,
        command=f"onyx incident postmortem {found.incident.id}",
        reproduction=[("written at", second_text(found.written_at))],
    )


def timeline_table(timeline: Timeline) -> Table:
    """For a page, and for a terminal."""
    rows = [(second_text(each.at), each.source.value, each.text) for each in timeline.lines]
    return plain_table((("When", "nowrap"), ("From", ""), ("What", "")), rows)


def _badge(incident: Incident) -> Badge:
    if not incident.is_open:
        return badge("passed", "closed")
    is_critical = incident.severity is Severity.CRITICAL
    return badge("failed" if is_critical else "degraded", incident.state)


def _paragraphs(texts: Sequence[str]) -> list[str]:
    return [text(each) for each in texts]


def _timeline(timeline: Timeline) -> Iterator[str]:
    rows = [
        (second_text(each.at).removesuffix(" UTC"), each.source.value, text(each.text))
        for each in timeline.lines
    ]
    yield from table(("when", "from", "what"), rows).split("\n")
    if timeline.unknown:
        yield from ("", *map(text, timeline.unknown))


def _triages(incident: Incident) -> Iterator[str]:
    if not incident.triages:
        yield "Nobody has looked."
    for each in incident.triages:
        yield f"### {second_text(each.at)}, in {duration_text(each.took_s)}"
        yield from ("", text(each.sentence), "")
        for named in each.named:
            yield f"- **{text(named.title)}** ({named.playbook.value})"
            yield from (f"    - {text(line)}" for line in named.evidence)
            if named.next_action:
                yield f"    - next: {code(named.next_action)} {text(named.next_does)}"
        yield from (f"- Could not be looked at: {text(line)}" for line in each.unknown)
        if each.ruled_out:
            yield f"- Ruled out: {list_text([one.value for one in each.ruled_out])}"
        yield ""


def _span(begin: datetime, end: datetime) -> str:
    return duration_text((end - begin).total_seconds())
