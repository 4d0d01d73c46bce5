"""Sentry, hosted or one's own, by its public API below `/api/0/` (docs.sentry.io/api).

Written by its documentation: no Sentry was at hand to try it on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import SecretStr

from onyx_pipelines.errors.trackers.asking import LIMIT_S, Api
from onyx_pipelines.errors.trackers.tracker import PROBE_LOGGER, Issue, Latest, News, Source, Window

_PAGE: Final = "100"
_QUERY: Final = f"!logger:{PROBE_LOGGER}"
_SOURCE: Final = ("issue.id", "service", "release", "count()")
_HOUR: Final = "timestamp.to_hour"


class Sentry:
    """Raises TrackerError from every method.

    Args:
        organization: its slug.
        projects: slugs of those that are asked about; none: all that the token may read.
    """

    name = "Sentry"

    def __init__(
        self,
        url: str,
        organization: str,
        token: SecretStr,
        projects: Sequence[str] = (),
        *,
        limit_s: float = LIMIT_S,
    ) -> None:
        base = f"{url.rstrip('/')}/api/0/organizations/{organization}/"
        self._api = Api(self.name, base, token, limit_s=limit_s)
        self._wanted = tuple(projects)

    def issues(self, window: Window) -> tuple[Issue, ...]:
        """Those with events in the window, the most frequent first."""
        with self._api.understanding():
            before = {
                each["id"]: int(each["count"])
                for each in self._listed(window.earlier(window.end - window.begin))
            }
            sources = self._sources(window)
            found = [
                self._issue(each, window, before.get(each["id"], 0), sources.get(each["id"], []))
                for each in self._listed(window)
            ]
        return tuple(sorted(found, key=lambda each: (-each.events, each.id)))

    def latest(self, since: datetime) -> tuple[Latest, ...]:
        """Open issues; muted ones are not among them."""
        with self._api.understanding():
            told = self._api.json(
                "issues/", query=f"is:unresolved {_QUERY}", sort="date", limit=_PAGE
            )
            return tuple(
                Latest(
                    number=str(each["id"]),
                    type=str(each["metadata"].get("type", "")) or str(each["title"]),
                    message=str(each["metadata"].get("value", "")),
                    place=str(each["culprit"] or ""),
                    level=str(each["level"]),
                    project=str(each["project"]["slug"]),
                    url=str(each["permalink"]),
                    events=int(each["count"]),
                    first_seen=_moment(each["firstSeen"]),
                    last_seen=_moment(each["lastSeen"]),
                )
                for each in told
                if _moment(each["lastSeen"]) >= since
                and (not self._wanted or each["project"]["slug"] in self._wanted)
            )

    def newest_event(self, number: str) -> Mapping[str, Any]:
        """As it is stored."""
        with self._api.understanding():
            return dict(self._api.json(f"issues/{number}/events/latest/"))

    def hourly(self, window: Window) -> tuple[int, ...]:
        """Events of each hour."""
        with self._api.understanding():
            at = {
                _moment(str(each[_HOUR])): int(each["count()"])
                for each in self._events(window, (_HOUR, "count()"))
            }
        hours = (window.begin + timedelta(hours=hour) for hour in range(window.hours))
        return tuple(at.get(hour, 0) for hour in hours)

    def has_event(self, event_id: str) -> bool:
        """Whether it has arrived."""
        return self._api.get(f"eventids/{event_id}/") is not None

    def _listed(self, window: Window) -> Iterator[Mapping[str, Any]]:
        """Resolved issues too, which a query of none leaves out."""
        for each in self._paged("issues/", query=_QUERY, sort="freq", limit=_PAGE, **_span(window)):
            if not self._wanted or each["project"]["slug"] in self._wanted:
                yield each

    def _issue(
        self, told: Mapping[str, Any], window: Window, before: int, sources: Sequence[Source]
    ) -> Issue:
        # Of an issue within a span, its own figures are of the span, and others of its whole life.
        first_seen = _moment(told.get("lifetime", told)["firstSeen"])
        return Issue(
            id=str(told["shortId"]),
            title=str(told["title"]),
            project=str(told["project"]["slug"]),
            url=str(told["permalink"]),
            news=self._news(told, first_seen, window),
            first_seen=first_seen,
            last_seen=_moment(told["lastSeen"]),
            events=int(told["count"]),
            events_before=before,
            users=int(told["userCount"]),
            sources=tuple(sources),
            is_muted=told["status"] == "ignored",
        )

    def _news(self, told: Mapping[str, Any], first_seen: datetime, window: Window) -> News:
        if window.holds(first_seen):
            return News.NEW
        # It says so for days: when it came back is in its history.
        if told.get("substatus") != "regressed":
            return News.KNOWN
        history = self._api.json(f"issues/{told['id']}/")["activity"]
        came_back = any(
            each["type"] == "set_regression" and window.holds(_moment(each["dateCreated"]))
            for each in history
        )
        return News.REGRESSED if came_back else News.KNOWN

    def _sources(self, window: Window) -> dict[str, list[Source]]:
        """Of each issue, by its number."""
        found: dict[str, list[Source]] = {}
        for each in self._events(window, _SOURCE):
            source = Source(
                service=str(each["service"] or ""),
                release=str(each["release"] or ""),
                events=int(each["count()"]),
            )
            found.setdefault(str(each["issue.id"]), []).append(source)
        return found

    def _events(self, window: Window, fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """Counted by these fields."""
        where = f"{_QUERY} project:[{','.join(self._wanted)}]" if self._wanted else _QUERY
        return self._paged(
            "events/",
            dataset="errors",
            field=list(fields),
            query=where,
            per_page=_PAGE,
            **_span(window),
        )

    def _paged(self, path: str, **parameters: str | list[str]) -> Iterator[Mapping[str, Any]]:
        """Its header Link says whether a next page has anything, and at which cursor."""
        cursor: dict[str, str] = {}
        while True:
            answer = self._api.get(path, **parameters, **cursor)
            if answer is None:
                raise ValueError("not found")
            told = answer.json()
            yield from told["data"] if isinstance(told, dict) else told
            following = answer.links.get("next", {})
            if following.get("results") != "true":
                return
            cursor = {"cursor": str(following["cursor"])}


def _span(window: Window) -> dict[str, str]:
    """Times without a zone are UTC to it."""
    return {
        name: moment.astimezone(UTC).replace(tzinfo=None).isoformat()
        for name, moment in (("start", window.begin), ("end", window.end))
    }


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment
