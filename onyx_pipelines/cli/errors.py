"""`onyx errors`: how much fails, and each day's digest, where Dagster does not run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import count_text, list_text, percent_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    EXIT_FINE,
    EXIT_UNABLE,
    JsonOption,
    bold,
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


@app.callback()
def _about() -> None:
    """What fails, and who is told of it (docs/errors.md)."""


@app.command("digest")
def digest(
    *,
    date: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
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
    day = date.date() if date else newest_day(now)
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
                f"{each.requests:,.0f}",
                change_text(each),
            )
            for each in found.services
        ]
        head = ("service", f"failed, {found.rule}", "with those", "requests", "change")
        out.table("error rate of the last hour", head, rows)
    finish(_EXIT_CODES[verdict])
