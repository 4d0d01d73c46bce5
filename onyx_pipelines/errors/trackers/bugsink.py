"""Bugsink (2.6.2 and newer), by its own API below `/api/canonical/0/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Final

from pydantic import SecretStr

from onyx_pipelines.errors.trackers.asking import LIMIT_S, Api
from onyx_pipelines.errors.trackers.tracker import PROBE_TITLE, Issue, Latest, News, Source, Window

# So many pairs of a service and a release of one issue are counted; more are not told apart.
_MOST_PAIRS: Final = 24
_USER: Final = "user.id"


class Bugsink:
    """Raises TrackerError from every method.

    It counts by when events arrived. Users it counts since an issue was first seen.

    Args:
        projects: names of those that are asked about; none: all that the token may read.
    """

    name = "Bugsink"

    def __init__(
        self,
        url: str,
        token: SecretStr,
        projects: Sequence[str] = (),
        *,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._url = url.rstrip("/")
        self._api = Api(self.name, f"{self._url}/api/canonical/0/", token, limit_s=limit_s)
        self._wanted = frozenset(projects)

    def issues(self, window: Window) -> tuple[Issue, ...]:
        """Those with events in the window, the most frequent first."""
        with self._api.understanding():
            projects = self._projects()
            found = [
                issue
                for told in self._seen_since(window.begin, projects)
                if (issue := self._issue(told, window, projects)) is not None
            ]
        return tuple(sorted(found, key=lambda each: (-each.events, each.id)))

    def latest(self, since: datetime) -> tuple[Latest, ...]:
        """Its list does not say levels: an issue's events do."""
        with self._api.understanding():
            projects = self._projects()
            return tuple(
                Latest(
                    number=str(told["id"]),
                    type=str(told["calculated_type"]),
                    message=str(told["calculated_value"]),
                    place=str(told["transaction"]),
                    level="",
                    project=projects[told["project"]],
                    url=self._page(told["id"]),
                    events=int(told["digested_event_count"]),
                    first_seen=_moment(told["first_seen"]),
                    last_seen=_moment(told["last_seen"]),
                    is_muted=bool(told["is_muted"]),
                )
                for told in self._seen_since(since, projects)
                if not told["is_resolved"]
            )

    def newest_event(self, number: str) -> Mapping[str, Any]:
        """Its list of events leaves out what they say."""
        with self._api.understanding():
            listed = self._api.json("events/", issue=number, order="desc")["results"]
            if not listed:
                return {}
            return dict(self._api.json(f"events/{listed[0]['id']}/")["data"])

    def hourly(self, window: Window) -> tuple[int, ...]:
        """Events of each hour."""
        with self._api.understanding():
            projects = self._projects()
            every = [self._counts(f"projects/{each}", window) for each in projects]
            probes = [
                self._counts(f"issues/{each['id']}", window)
                for each in self._paged("issues/", q=PROBE_TITLE)
                if each["project"] in projects and _is_probe(each)
            ]
        none = (0,) * window.hours
        return tuple(
            sum(counts) - sum(probed)
            for counts, probed in zip(
                zip(none, *every, strict=True), zip(none, *probes, strict=True), strict=True
            )
        )

    def has_event(self, event_id: str) -> bool:
        """Whether it has arrived in one of the projects."""
        with self._api.understanding():
            projects = self._projects()
        return any(
            self._api.get("events/lookup/", project=str(each), event_id=event_id) is not None
            for each in projects
        )

    def _page(self, issue: str) -> str:
        return f"{self._url}/issues/issue/{issue}/event/last/"

    def _projects(self) -> dict[int, str]:
        return {
            int(each["id"]): str(each["name"])
            for each in self._paged("projects/")
            if not self._wanted or each["name"] in self._wanted
        }

    def _seen_since(
        self, begin: datetime, projects: Mapping[int, str]
    ) -> Iterator[Mapping[str, Any]]:
        """An issue that gets an event while pages are read may come twice."""
        known = set()
        for each in self._paged("issues/", sort="last_seen", order="desc"):
            if _moment(each["last_seen"]) < begin:
                return
            if each["project"] in projects and each["id"] not in known and not _is_probe(each):
                known.add(each["id"])
                yield each

    def _issue(
        self, told: Mapping[str, Any], window: Window, projects: Mapping[int, str]
    ) -> Issue | None:
        """None: it has no event in the window."""
        length = window.end - window.begin
        both = Window(begin=window.begin - length, end=window.end)
        counts = self._counts(f"issues/{told['id']}", both)
        before, events = sum(counts[: window.hours]), sum(counts[window.hours :])
        if not events:
            return None
        first_seen = _moment(told["first_seen"])
        tags = self._tags(told["id"])
        value = str(told["calculated_value"])
        return Issue(
            id=str(told["friendly_id"]),
            title=": ".join(filter(None, [str(told["calculated_type"]), value])),
            project=projects[told["project"]],
            url=self._page(told["id"]),
            news=self._news(told["id"], first_seen, window),
            first_seen=first_seen,
            last_seen=_moment(told["last_seen"]),
            events=events,
            events_before=before,
            users=len(tags.get(_USER, ())),
            sources=self._sources(told["id"], tags, events, window),
            is_muted=bool(told["is_muted"]),
        )

    def _news(self, issue: str, first_seen: datetime, window: Window) -> News:
        if window.holds(first_seen):
            return News.NEW
        came_back = any(
            each["kind"] == "regressed" and window.holds(_moment(each["timestamp"]))
            for each in self._paged("issue-history/", issue=issue)
        )
        return News.REGRESSED if came_back else News.KNOWN

    def _tags(self, issue: str) -> dict[str, list[str]]:
        """Values of each tag, of all its events."""
        found: dict[str, list[str]] = {}
        for each in self._paged(f"issues/{issue}/tags/"):
            found.setdefault(str(each["key"]), []).append(str(each["value"]))
        return found

    def _sources(
        self, issue: str, tags: Mapping[str, Sequence[str]], events: int, window: Window
    ) -> tuple[Source, ...]:
        services, releases = tags.get("service", [""]), tags.get("release", [""])
        pairs = list(product(services, releases))
        if len(pairs) == 1:
            ((service, release),) = pairs
            return (Source(service=service, release=release, events=events),)
        if len(pairs) > _MOST_PAIRS:
            return ()
        counted = Counter({pair: self._events_of(issue, pair, window) for pair in pairs})
        return tuple(
            Source(service=service, release=release, events=count)
            for (service, release), count in counted.most_common()
            if count
        )

    def _events_of(self, issue: str, pair: tuple[str, str], window: Window) -> int:
        """Those that are still kept."""
        wanted = " ".join(
            f'{key}:"{_quoted(value)}"'
            for key, value in zip(("service", "release"), pair, strict=True)
            if value
        )
        count = 0
        for each in self._paged("events/", issue=issue, q=wanted, order="desc"):
            arrived = _moment(each["digested_at"])
            if arrived < window.begin:
                break
            count += arrived < window.end
        return count

    def _counts(self, of: str, window: Window) -> tuple[int, ...]:
        """Of each hour of the window; those to come have none."""
        end = min(window.end, _next_hour(datetime.now(UTC)))
        told = self._api.json(f"{of}/event-counts/", start=_stamp(window.begin), end=_stamp(end))
        counts = tuple(int(each["count"]) for each in told["buckets"])
        return counts + (0,) * (window.hours - len(counts))

    def _paged(self, path: str, **parameters: str) -> Iterator[Mapping[str, Any]]:
        page = self._api.json(path, **parameters)
        while True:
            yield from page["results"]
            if page["next"] is None:
                return
            page = self._api.json(self._below(str(page["next"])))

    def _below(self, address: str) -> str:
        """Whatever name the server thinks it has, it is asked by ours."""
        return address.rpartition("/api/canonical/0/")[2]


def _is_probe(told: Mapping[str, Any]) -> bool:
    return str(told["calculated_value"]) == PROBE_TITLE


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
