"""`onyx incident`: what went wrong, who has it, and what became of it; without Dagster and API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from onyx_pipelines.audit import audited, cli_origin
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.core.text import duration_text, utc_minute
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    JsonOption,
    Part,
    bold,
    finish,
    out,
    print_json,
    red,
    storable,
    yellow,
)

if TYPE_CHECKING:
    from onyx_pipelines.readiness.incidents.record import Incident

app = typer.Typer(help="What went wrong, who has it, and what became of it.")

_LATEST: Final = "latest"
WhichArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The id, its beginning, or `latest`: the newest that is open, else the newest.",
    ),
]
NameOption = Annotated[
    str, typer.Option("--as", help="Who you are; default: your user.", callback=storable)
]


@app.callback()
def _about() -> None:
    """Incidents: opened by alerts or by hand, until the post-mortem (docs/incident_records.md)."""


@app.command("list")
def list_incidents(
    *,
    show_all: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The open incidents, the newest first. Exit code 0: there is none, 1: there are some."""
    from onyx_pipelines.readiness.incidents.book import IncidentBook
    from onyx_pipelines.readiness.incidents.wording import title_of

    known = IncidentBook(load_settings().state_dir).all()
    shown = [each for each in known if show_all or each.is_open]
    if as_json:
        print_json([_as_json(each) for each in shown])
    else:
        rows: list[tuple[Part, ...]] = [
            (
                each.id,
                _state(each),
                each.severity.value,
                utc_minute(each.began_at),
                title_of(each),
                each.acknowledged.by if each.acknowledged else "",
            )
            for each in shown
        ]
        head = ("incident", "state", "severity", "since (UTC)", "what", "acknowledged by")
        out.table("incidents", head, rows)
    finish(EXIT_BAD if any(each.is_open for each in known) else 0)


@app.command("show")
def show(which: WhichArgument = _LATEST, *, as_json: JsonOption = False) -> None:
    """One incident: what triage found, and all that happened, from every record."""
    from onyx_pipelines.readiness.incidents.book import IncidentBook
    from onyx_pipelines.readiness.incidents.postmortem import draft_path
    from onyx_pipelines.readiness.incidents.timeline import timeline_of
    from onyx_pipelines.readiness.incidents.wording import title_of

    settings = load_settings()
    found = IncidentBook(settings.state_dir).find(which)
    timeline = timeline_of(settings, found)
    lines = [(each.at, each.source.value, each.text) for each in timeline.lines]
    if as_json:
        named = ("at", "source", "text")
        said = [dict(zip(named, each, strict=True)) for each in lines]
        print_json({**_as_json(found), "timeline": said, "unknown": timeline.unknown})
        return
    out.line(bold(title_of(found)), f" ({found.id}, ", _state(found), f", {found.severity})")
    out.line(found.sentence)
    if found.last_triage:
        for each in found.last_triage.named:
            out.quote(each.evidence)
            out.line("  next: ", bold(each.next_action))
    rows = [(utc_minute(at), source, text) for at, source, text in lines]
    out.table("timeline", ("when (UTC)", "from", "what"), rows)
    for unknown in timeline.unknown:
        out.line(yellow(unknown))
    if draft_path(settings, found).exists():
        out.line(f"Post-mortem: {draft_path(settings, found)}")


@app.command("open")
def open_incident(
    title: Annotated[str, typer.Argument(help="What is wrong.", callback=storable)],
    *,
    severity: Annotated[
        Severity, typer.Option(help="critical: people cannot work; warning: nobody is hit yet.")
    ] = Severity.CRITICAL,
    name: NameOption = "",
    as_json: JsonOption = False,
) -> None:
    """Open one by hand; it is looked at and people are told, as of one that an alert opens."""
    from onyx_pipelines.readiness.incidents.actions import open_by_hand

    settings = load_settings()
    given = {"title": title, "severity": severity.value}
    with audited(settings, action="incident.open", origin=cli_origin(), parameters=given):
        made = open_by_hand(settings, title, severity, name or cli_origin().actor)
    _attend(settings)
    _answer(settings, made.id, as_json=as_json)


@app.command("ack")
def ack(
    which: WhichArgument = _LATEST, *, name: NameOption = "", as_json: JsonOption = False
) -> None:
    """Say that you have it: nobody else is called. Who was the first stays."""
    from onyx_pipelines.readiness.incidents.actions import acknowledge
    from onyx_pipelines.readiness.incidents.book import IncidentBook

    settings = load_settings()
    found = IncidentBook(settings.state_dir).find(which)
    with audited(
        settings, action="incident.ack", origin=cli_origin(), parameters={"incident": found.id}
    ):
        acknowledge(settings, found.id, name or cli_origin().actor)
    _attend(settings)
    _answer(settings, found.id, as_json=as_json)


@app.command("close")
def close_incident(
    which: WhichArgument = _LATEST,
    *,
    reason: Annotated[str, typer.Option(help="Why it is over.", callback=storable)] = "",
    name: NameOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say that it is over, whatever still fires; what alerts have opened closes by itself."""
    from onyx_pipelines.readiness.incidents.actions import close
    from onyx_pipelines.readiness.incidents.book import IncidentBook

    settings = load_settings()
    found = IncidentBook(settings.state_dir).find(which)
    given = {"incident": found.id, "reason": reason}
    with audited(settings, action="incident.close", origin=cli_origin(), parameters=given):
        close(settings, found.id, name or cli_origin().actor, reason)
    _attend(settings)
    _answer(settings, found.id, as_json=as_json)


@app.command("postmortem")
def postmortem(
    which: WhichArgument = _LATEST,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also over a draft that is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the draft of its post-mortem into the reports, in Markdown and as a page."""
    from onyx_pipelines.readiness.incidents.book import IncidentBook
    from onyx_pipelines.readiness.incidents.postmortem import write_postmortem

    settings = load_settings()
    found = IncidentBook(settings.state_dir).find(which)
    written = write_postmortem(settings, found, datetime.now(UTC), replace=replace)
    if as_json:
        print_json({"draft": str(written.result), "page": str(written.html)})
        return
    out.line(f"Written: {written.result}")
    out.line(f"As a page: {written.html}")


def _attend(settings: Settings) -> None:
    """People are told at once, whether or not the API runs."""
    from onyx_pipelines.readiness.incidents.attending import attend

    attend(settings)


def _answer(settings: Settings, incident_id: str, *, as_json: bool) -> None:
    from onyx_pipelines.readiness.incidents.book import IncidentBook
    from onyx_pipelines.readiness.incidents.wording import title_of

    found = IncidentBook(settings.state_dir).find(incident_id)
    if as_json:
        print_json(_as_json(found))
        return
    out.line(bold(title_of(found)), f" ({found.id}): ", _state(found))
    if found.acknowledged:
        waited = (found.acknowledged.at - found.opened_at).total_seconds()
        out.line(f"{found.acknowledged.by} has it, after {duration_text(waited)}.")
    if found.is_open:
        out.line(found.sentence)
    for each in found.firing:
        out.line(yellow("still fires: "), each.name)


def _state(found: Incident) -> Part:
    if not found.is_open:
        return found.state
    is_new = found.acknowledged is None and found.severity is Severity.CRITICAL
    return red(found.state) if is_new else yellow(found.state)


def _as_json(found: Incident) -> dict[str, Any]:
    closed, taken = found.closed, found.acknowledged
    return {
        **found.model_dump(mode="json", exclude={"told"}),
        "state": found.state,
        "sentence": found.sentence,
        "began_at": found.began_at,
        "acknowledged_by": taken.by if taken else None,
        "closed_at": closed.at if closed else None,
    }
