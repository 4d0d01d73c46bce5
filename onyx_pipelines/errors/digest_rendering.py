"""One digest, many voices: a page, a mail in HTML, the same as text. What an error says is foreign
text: it is escaped, cut, and never a link."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from onyx_pipelines.core.names import Asset
from onyx_pipelines.core.text import (
    NOT_KNOWN,
    count_text,
    list_text,
    moment_text,
    number_text,
    percent_text,
    printable,
    shortened,
    utc_minute,
)
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.errors.digest import MOST_NEWS, Digest
from onyx_pipelines.errors.rate import ErrorRates, change_text
from onyx_pipelines.errors.trackers.tracker import Issue
from onyx_pipelines.reporting.palette import DARK, LIGHT, Badge, badge
from onyx_pipelines.reporting.tables import Cell, Mark, Table, plain_table

_TITLE: Final = 160
_RATE_BADGES: Final = {
    Verdict.PASSED: badge("passed", "within"),
    Verdict.FAILED: badge("failed", "above"),
    Verdict.COULD_NOT_VERIFY: badge("could-not-verify", "not known"),
}
_USERS: Final = "Users so far"


def digest_page(digest: Digest, *, stack: str = "") -> str:
    """The whole page."""
    from onyx_pipelines.reporting.pages import render

    return render(
        "digest",
        stack=stack,
        subtitle=f"Errors, {span_text(digest)}",
        command=f"onyx errors digest --date {digest.day} --dry-run",
        reproduction=[
            ("day", digest.day.isoformat()),
            ("tracker", digest.tracker),
            ("asset", Asset.ERROR_DIGEST),
        ],
        days=_days_table(digest),
        **_view(digest),
    )


def digest_mail(digest: Digest, *, stack: str = "", page: str = "") -> str:
    """As HTML for programs that know neither variables nor grids: colours stand beside what has
    them, and those of the dark in one place.

    Args:
        page: where more is to be seen, for people; "": nowhere.
    """
    from onyx_pipelines.reporting.pages import render

    return render(
        "digest_mail",
        stack=stack,
        subtitle=f"Errors, {span_text(digest)}",
        day=LIGHT,
        night=DARK,
        page=page,
        **_view(digest),
    )


def digest_text(digest: Digest) -> str:
    """For who reads no HTML."""
    return "\n".join(_lines(digest))


def headline(digest: Digest) -> str:
    """What came of the day, in a sentence."""
    if digest.is_quiet:
        return f"No error reached {digest.tracker}."
    said = [f"{count_text(digest.events, 'event')} of {count_text(len(digest.issues), 'issue')}"]
    said += [f"{len(digest.new)} new"] if digest.new else []
    said += [f"{len(digest.regressed)} came back"] if digest.regressed else []
    return f"{list_text(said)}; {events_change(digest)}."


def span_text(digest: Digest) -> str:
    """From when to when."""
    return f"{utc_minute(digest.window.begin)} to {moment_text(digest.window.end)}"


def events_change(digest: Digest) -> str:
    """Against the day before."""
    return f"the day before had {count_text(digest.events_before, 'event')}"


def rate_table(rates: ErrorRates) -> Table:
    """A row for each service."""
    return plain_table(
        (
            ("Service", "nowrap"),
            (f"At most {percent_text(rates.objective, 1)}", ""),
            (f"Failed, {rates.rule}", "number"),
            ("With those", "number"),
            ("Requests", "number"),
            ("Change", ""),
        ),
        [
            (
                each.service,
                Cell(badge=_RATE_BADGES[each.verdict(rates.objective)]),
                percent_text(each.share, 2),
                percent_text(each.share_with_excluded, 2),
                number_text(round(each.requests)),
                change_text(each),
            )
            for each in rates.services
        ],
    )


def source_table(counted: Sequence[tuple[str, str, int]]) -> Table:
    """Events by service and release."""
    return plain_table(
        (("Service", "name"), ("Release", "name"), ("Events", "number")),
        [
            (service or NOT_KNOWN, release or NOT_KNOWN, number_text(n))
            for service, release, n in counted
        ],
    )


def _view(digest: Digest) -> dict[str, object]:
    return {
        "title": digest.subject,
        "verdict": _badge(digest),
        "headline": headline(digest),
        "facts": _facts(digest),
        "sections": [
            (title, note, _issue_table(issues), len(issues))
            for title, note, issues in _groups(digest)
        ],
        "rates": rate_table(digest.rates) if digest.rates and digest.rates.services else None,
        "rates_note": _rates_note(digest),
        "sources": source_table(digest.by_source) if digest.by_source else None,
        "notes": _notes(digest),
    }


def _badge(digest: Digest) -> Badge:
    if digest.new or digest.regressed:
        return badge("failed", "new errors")
    if digest.is_quiet:
        return badge("passed", "no errors")
    return badge("degraded", "known errors only")


def _groups(digest: Digest) -> list[tuple[str, str, tuple[Issue, ...]]]:
    """Those that have any."""
    found = [
        ("New", "First seen within these 24 hours.", digest.new[:MOST_NEWS]),
        ("Came back", "They had been resolved.", digest.regressed[:MOST_NEWS]),
        ("Most frequent", "With the most events within these 24 hours.", digest.frequent),
    ]
    return [each for each in found if each[2]]


def _facts(digest: Digest) -> list[tuple[str, str, str]]:
    """Name, figure, and what belongs beside it."""
    users = max((each.users for each in digest.heard), default=0)
    worst = [f"at most: {e.id}" for e in digest.heard if users and e.users == users][:1]
    return [
        ("Events", number_text(digest.events), events_change(digest)),
        ("New", number_text(len(digest.new)), f"of {count_text(len(digest.issues), 'issue')}"),
        ("Came back", number_text(len(digest.regressed)), "after they were resolved"),
        ("Users of one issue", number_text(users), "; ".join([*worst, "pseudonyms"])),
        ("Error rate", _rate_figure(digest), _rule(digest)),
        ("Not delivered", number_text(digest.delivery.waiting), _delivery_text(digest)),
    ]


def _rule(digest: Digest) -> str:
    return f"{digest.rates.rule} (excluded_statuses)" if digest.rates else digest.rates_problem


def _rate_figure(digest: Digest) -> str:
    rates = [e for e in digest.rates.services if e.requests] if digest.rates else []
    if not rates:
        return NOT_KNOWN
    return percent_text(sum(e.failed for e in rates) / sum(e.requests for e in rates), 2)


def _rates_note(digest: Digest) -> str:
    if digest.rates is None:
        return f"The error rate is not known: {digest.rates_problem}"
    if not digest.rates.services:
        return "The error rate is not known: Prometheus knows of no request."
    return (
        f"Share of requests that failed, {_rule(digest)}; by Prometheus, as the alert counts them."
    )


def _delivery_text(digest: Digest) -> str:
    found = digest.delivery
    said = [f"the oldest since {moment_text(found.oldest)}"] if found.oldest else ["none waits"]
    return "; ".join([*said, f"{number_text(found.lost)} lost so far"])


def _notes(digest: Digest) -> list[str]:
    said = []
    if digest.muted_events:
        said.append(f"{count_text(digest.muted_events, 'event')} of muted issues: not listed.")
    left_out = len(digest.new) - MOST_NEWS
    if left_out > 0:
        said.append(f"{number_text(left_out)} more are new: see {digest.tracker}.")
    return said


def _issue_table(issues: Sequence[Issue]) -> Table:
    return plain_table(
        (
            ("Issue", "name full"),
            ("Events", "number"),
            (_USERS, "number"),
            ("Last seen, UTC", ""),
        ),
        [
            (
                Cell(_title(each), notes=(_where(each),), link=_link(each)),
                Cell(number_text(each.events), notes=(_before(each),)),
                number_text(each.users),
                utc_minute(each.last_seen),
            )
            for each in issues
        ],
    )


def _before(issue: Issue) -> str:
    return f"before: {number_text(issue.events_before)}"


def _where(issue: Issue) -> str:
    services = list_text(issue.services) or issue.project
    return ", ".join(filter(None, [issue.id, services, list_text(issue.releases)]))


def _title(issue: Issue) -> str:
    return shortened(printable(issue.title), _TITLE)


def _link(issue: Issue) -> str:
    """What a tracker calls an address may be anything."""
    return issue.url if issue.url.startswith(("https://", "http://")) else ""


def _days_table(digest: Digest) -> Table:
    """A bar for each day."""
    largest = max(digest.days, default=0) or 1
    rows = [
        (
            day,
            Cell(marks=(Mark("bar", "series-1", 0, 100 * events / largest),) if events else ()),
            number_text(events),
        )
        for day, events in _days(digest)
    ]
    return plain_table((("Day", "name"), ("Share of the most", "track"), ("Events", "took")), rows)


def _days(digest: Digest) -> list[tuple[str, int]]:
    """When each ended, and its events."""
    ago = len(digest.days) - 1
    return [
        ((digest.day - timedelta(days=ago - at)).isoformat(), events)
        for at, events in enumerate(digest.days)
    ]


def _lines(digest: Digest) -> Iterator[str]:
    yield from (digest.subject, span_text(digest), "", headline(digest), "")
    for name, figure, beside in _facts(digest):
        yield f"{name}: {figure} ({beside})"
    yield f"Events by day: {', '.join(f'{day[5:]}: {number_text(n)}' for day, n in _days(digest))}"
    for title, note, issues in _groups(digest):
        yield from ("", title.upper(), note)
        for each in issues:
            yield f"- {_title(each)}"
            yield (
                f"  {_where(each)}: {count_text(each.events, 'event')}"
                f" ({_before(each)}), {count_text(each.users, 'user')} so far"
            )
            if link := _link(each):
                yield f"  {link}"
    yield from ("", "ERROR RATE", _rates_note(digest))
    for rate in digest.rates.services if digest.rates else ():
        yield (
            f"- {rate.service}: {percent_text(rate.share, 2)} of"
            f" {count_text(round(rate.requests), 'request')}, {change_text(rate)}"
        )
    if digest.by_source:
        yield from ("", "EVENTS BY SERVICE AND RELEASE")
        for service, release, events in digest.by_source:
            yield f"- {service or NOT_KNOWN}, {release or NOT_KNOWN}: {number_text(events)}"
    yield from ("", *_notes(digest))
