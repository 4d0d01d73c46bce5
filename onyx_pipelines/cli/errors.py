"""`onyx errors`: the relay of error messages, what changed, how much fails, and each day's digest
where Dagster does not run."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from onyx_pipelines.audit import cli_origin
from onyx_pipelines.core.errors import OnyxError, SettingsError
from onyx_pipelines.core.settings import load_settings, load_stacks
from onyx_pipelines.core.text import (
    count_text,
    list_text,
    moment_text,
    number_text,
    percent_text,
    size_text,
)
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    EXIT_FINE,
    EXIT_UNABLE,
    JsonOption,
    bold,
    err,
    finish,
    out,
    print_json,
)

app = typer.Typer(help="What fails, and who is told of it.")

_EXIT_CODES = {
    Verdict.PASSED: EXIT_FINE,
    Verdict.FAILED: EXIT_BAD,
    Verdict.COULD_NOT_VERIFY: EXIT_UNABLE,
}

Service = Annotated[
    str, typer.Option(help="Which it is about, as its events' tag says; empty: all of them.")
]


class Noted(StrEnum):
    """What a person or a pipeline can note besides a deploy."""

    CONFIGURATION = "configuration"
    SCHEMA = "schema"
    INFRASTRUCTURE = "infrastructure"
    OTHER = "other"


@app.callback()
def _about() -> None:
    """What fails, and who is told of it (docs/errors.md)."""


def _day_that_is_over(text: str) -> date:
    """Raises BadParameter: it is none, or its digest cannot be made yet."""
    from onyx_pipelines.errors.digest import newest_day

    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day. Write it as 2026-11-27.") from None
    newest = newest_day(datetime.now(UTC))
    if day > newest:
        raise typer.BadParameter(f"The digest of {day} is not due yet; the newest is {newest}'s.")
    return day


@app.command("digest")
def digest(
    *,
    day: Annotated[
        date | None,
        typer.Option(
            "--date",
            parser=_day_that_is_over,
            metavar="YYYY-MM-DD",
            help="Of the 24 hours until 09:00 UTC of this day; default: the newest day that is"
            " over.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show it; write and send nothing.")
    ] = False,
    resend: Annotated[
        bool, typer.Option("--resend", help="Send it also to those who have had it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a day's digest of errors, publish it, and send it to whoever has not had it."""
    from onyx_pipelines.errors.digest import newest_day
    from onyx_pipelines.errors.digest_making import digest_day, make_digest
    from onyx_pipelines.errors.digest_rendering import digest_text
    from onyx_pipelines.errors.trackers.configured import tracker_of

    settings, now = load_settings(), datetime.now(UTC)
    day = day or newest_day(now)
    if dry_run:
        shown = make_digest(settings, tracker_of(settings), day, now)
        if as_json:
            print_json(shown.model_dump(mode="json"))
        else:
            out.verbatim(digest_text(shown))
        return
    made = digest_day(settings, day, now, resend=resend)
    sending = made.sending
    if as_json:
        print_json(
            {
                "day": day.isoformat(),
                "subject": made.digest.subject,
                "report": str(made.published.html),
                "sent": list(sending.put),
                "had_it": list(sending.known),
            }
        )
        return
    out.line(bold(made.digest.subject))
    out.line(f"Written to {made.published.html}.")
    put = list_text(sending.put) or "nobody"
    known = f"; {count_text(len(sending.known), 'recipient')} had it" if sending.known else ""
    out.line(f"Sent to {put}{known}.")


@app.command("rate")
def rate(*, as_json: JsonOption = False) -> None:
    """Which share of each service's requests failed within the last hour. Exit code 0: within the
    objective, 1: above it, 2: not known."""
    from onyx_pipelines.errors.rate import change_text, error_rates, rate_answer
    from onyx_pipelines.errors.trackers.tracker import Window
    from onyx_pipelines.monitoring.prometheus import Prometheus

    settings, now = load_settings(), datetime.now(UTC)
    window = Window(begin=now - timedelta(hours=1), end=now)
    found = error_rates(Prometheus(settings), settings.alert_thresholds, window)
    verdict, said = rate_answer(found)
    if as_json:
        print_json({"verdict": verdict.value, "said": said, **found.model_dump(mode="json")})
    else:
        out.line(bold(said))
        rows = [
            (
                each.service,
                percent_text(each.share, 2),
                percent_text(each.share_with_excluded, 2),
                number_text(round(each.requests)),
                change_text(each),
            )
            for each in found.services
        ]
        head = ("service", f"failed, {found.rule}", "with those", "requests", "change")
        out.table("error rate of the last hour", head, rows)
    finish(_EXIT_CODES[verdict])


@app.command("deliver")
def deliver(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what waits; send nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Send what waits for the tracker, now. Services do that themselves; this is for whoever wants
    to see it done, or why it is not. Exit code 1: something waits still."""
    from onyx_pipelines.errors.delivering_now import deliver_now, where_to
    from onyx_pipelines.errors.spool import spool_status

    settings = load_settings()
    host, before = where_to(settings), spool_status(settings)
    if dry_run:
        size = size_text(before.size_bytes)
        since = f", the oldest since {moment_text(before.oldest)}" if before.oldest else ""
        events = count_text(before.waiting, "event")
        if as_json:
            print_json(
                {"tracker": host, "waiting": before.waiting, "size_bytes": before.size_bytes}
            )
        else:
            out.line(f"{events} ({size}) would go to {host}{since}.")
        return
    found = deliver_now(settings)
    if as_json:
        print_json({"tracker": host, **asdict(found)})
    else:
        refused = f", {found.refused} refused" if found.refused else ""
        why = f": {found.why}" if found.why else ""
        out.line(
            f"{count_text(found.delivered, 'event')} delivered to {host}{refused};"
            f" {found.waiting} waiting{why}."
        )
    finish(EXIT_BAD if found.waiting else EXIT_FINE)


@app.command("relay")
def relay() -> None:
    """Take the trackers' webhooks and tell people of errors, with what changed before, until it is
    stopped. One for all stacks; listens on ONYX_ERROR_RELAY_HOST and ONYX_ERROR_RELAY_PORT."""
    # Other commands need no web framework.
    from onyx_pipelines.api.error_relay import serve

    stacks = load_stacks()
    for each in stacks:
        if not each.slack_webhook_url.get_secret_value() and not each.smtp_to:
            of = f"Stack {each.stack}: neither" if each.stack else "Neither"
            err.line(f"{of} Slack nor mail is configured: what is told stands in the log only.")
    err.line(
        f"Webhooks: http://{stacks[0].error_relay_host}:{stacks[0].error_relay_port}/hooks/sentry"
        " and …/hooks/bugsink/SECRET (docs/errors.md)."
    )
    try:
        with suppress(KeyboardInterrupt):  # how it is stopped
            serve(stacks)
    except OSError as error:
        raise OnyxError(
            f"The relay cannot run: {error.strerror or error}: {error.filename or 'its port'}.",
            remedy="Give this user ONYX_STATE_DIR, and the relay a free port.",
        ) from None


@app.command("deployed")
def deployed(
    release: Annotated[str, typer.Option(help="As the service's events name it.")],
    *,
    service: Service = "",
) -> None:
    """Note a deploy in the audit trail: messages of errors that follow say so."""
    from onyx_pipelines.errors.recorded_changes import noting
    from onyx_pipelines.errors.what_changed import ChangeKind

    _require(release, "--release")
    settings = load_settings()
    with noting(settings, cli_origin(), ChangeKind.RELEASE, service=service, release=release):
        out.line(f"Noted: release {release}{f' of {service}' if service else ''}.")


@app.command("changed")
def changed(
    kind: Annotated[Noted, typer.Argument(help="What kind of change it is.")],
    what: Annotated[str, typer.Argument(help="One line for people, without secrets.")],
    *,
    service: Service = "",
) -> None:
    """Note any other change in the audit trail: of a configuration, a schema, the machine."""
    from onyx_pipelines.errors.recorded_changes import noting
    from onyx_pipelines.errors.what_changed import ChangeKind

    _require(what, "WHAT")
    settings = load_settings()
    with noting(settings, cli_origin(), ChangeKind(kind.value), what, service=service):
        out.line(f"Noted: {kind}: {what}.")


def _require(text: str, name: str) -> None:
    if not text.strip():
        raise SettingsError(f"{name} is empty.", remedy="Say what was changed.")
