"""The relay's process: the webhooks' receiver beside the passes, and all that a pass asks on this
host: the tracker, Prometheus, what is recorded, the spool."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import uvicorn

from onyx_pipelines.api.connections import Limits
from onyx_pipelines.api.error_hooks import receiver
from onyx_pipelines.api.server import server_of
from onyx_pipelines.audit import Channel, Origin
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.process_log import secret_values
from onyx_pipelines.core.settings import ErrorSettings, Settings
from onyx_pipelines.errors.noticed_settings import notice
from onyx_pipelines.errors.recorded_changes import noting, recorded_changes
from onyx_pipelines.errors.relay import sentry
from onyx_pipelines.errors.relay.deciding import Telling
from onyx_pipelines.errors.relay.listing import filled, listing
from onyx_pipelines.errors.relay.memory import Memory, SeenRelease
from onyx_pipelines.errors.relay.passes import Relay, Surroundings
from onyx_pipelines.errors.relay.severity import Criteria
from onyx_pipelines.errors.relay.signal import MessageError, Signal
from onyx_pipelines.errors.scrubbing import Scrubber
from onyx_pipelines.errors.spool import Spool
from onyx_pipelines.errors.trackers.configured import tracker_of
from onyx_pipelines.errors.trackers.tracker import Tracker
from onyx_pipelines.errors.what_changed import Change, ChangeKind, Findings, RateChange, Share
from onyx_pipelines.monitoring.prometheus import Prometheus, PrometheusError
from onyx_pipelines.monitoring.rules.recorded import REQUESTS, errors
from onyx_pipelines.notify.configured import channels_of

_EVERY_S: Final = 1.0
_SETTINGS_EVERY: Final = timedelta(minutes=1)
# Somebody waits for the message.
_ASK_S: Final = 3.0
_KEPT: Final = timedelta(seconds=5)
_NOT_ASKED_AGAIN: Final = timedelta(seconds=30)
_BEFORE: Final = timedelta(hours=1)
_SHORTEST_SINCE: Final = timedelta(minutes=1)
_LONGEST_SINCE: Final = timedelta(minutes=10)
_MOST_CAPTURED: Final = 500
_SERVICE: Final = "onyx-pipelines"

_log = logger("errors.relay")


def relay_of(settings: Settings) -> Relay:
    """Connects to nothing before its first pass."""

    def tracker() -> Tracker:
        return tracker_of(settings, limit_s=_ASK_S)

    return Relay(
        settings.state_dir,
        channels_of(settings),
        criteria=Criteria(
            services=frozenset(settings.error_critical_services),
            tags=frozenset(settings.error_critical_tags),
            types=frozenset(settings.error_critical_types),
        ),
        surroundings=Surroundings(
            listed=lambda since: listing(tracker, since),
            filled=lambda signal: filled(tracker, signal),
            captured=lambda since: captured_since(settings, since),
            findings=Finding(settings),
            clean=_cleaning(settings),
        ),
        playbook=settings.playbook_url,
    )


def serve(settings: Settings, load: Callable[[], Settings]) -> None:
    """Relay until the process is told to end.

    Args:
        load: the settings as they are at that moment.

    Raises:
        AlreadyRunningError: another process does.
        OSError: the state directory, or the port, is not to be had.
    """
    relay = relay_of(settings)
    held = relay.alone()
    server = server_of(
        receiver(relay, settings),
        host=settings.error_relay_host,
        port=settings.error_relay_port,
        limits=Limits.of_this_process(),
    )
    passing = _Passing(relay, server, load)
    passing.start()
    try:
        server.run()
    finally:
        passing.end()
        held.release()
    if passing.error is not None:
        raise passing.error


class _Passing(threading.Thread):
    """One pass after the other beside the server; what ends it ends the server."""

    def __init__(self, relay: Relay, server: uvicorn.Server, load: Callable[[], Settings]) -> None:
        super().__init__(name="error-relay", daemon=True)
        self.error: BaseException | None = None
        self._relay = relay
        self._server = server
        self._load = load
        self._ended = threading.Event()
        self._noticed_at: datetime | None = None

    def run(self) -> None:
        try:
            while not self._ended.is_set():
                now = datetime.now(UTC)
                self._notice(now)
                self._relay.pass_(now)
                self._relay.wait(_EVERY_S)
        except BaseException as error:  # noqa: BLE001  (told by the main thread)
            self.error = error
            self._server.should_exit = True

    def end(self) -> None:
        """After the pass under way."""
        self._ended.set()
        self._relay.wake()
        self.join()

    def _notice(self, now: datetime) -> None:
        if self._noticed_at and timedelta(0) <= now - self._noticed_at < _SETTINGS_EVERY:
            return
        self._noticed_at = now
        try:
            note_changed_settings(self._load())
        except OnyxError as error:
            _log.warning("Whether the settings have changed is not known: %s", error)


def note_changed_settings(settings: Settings) -> None:
    """In the audit trail, where they did since the relay last looked.

    Raises:
        AuditError: it cannot be written.
        OSError: the state directory cannot be written.
    """
    names = notice(settings)
    if names:
        origin = Origin(channel=Channel.DAEMON, actor="errors relay", host=settings.host)
        with noting(settings, origin, ChangeKind.CONFIGURATION, f"{', '.join(names)} changed"):
            pass


def captured_since(settings: ErrorSettings, since: datetime) -> list[Signal]:
    """Events that wait for the tracker, the oldest first, at most 500 at once."""
    waiting = (each for each in Spool.of(settings).waiting() if each.captured_at > since)
    found = []
    for each in islice(waiting, _MOST_CAPTURED):
        with suppress(FileNotFoundError):  # delivered meanwhile
            found += list(_signals(each.path.read_bytes(), each.captured_at))
    return found


def _signals(envelope: bytes, at: datetime) -> Iterator[Signal]:
    """Of an envelope's events: lines of a header, then a header and a body for each item."""
    lines = envelope.split(b"\n")
    for head, body in zip(lines[1::2], lines[2::2], strict=False):
        with suppress(
            ValueError, AttributeError, MessageError
        ):  # no event: a session, an attachment
            if json.loads(head).get("type") == "event":
                signal = sentry.captured(json.loads(body), _SERVICE, at)
                yield signal.model_copy(update={"at": at})


class Finding:
    """What changed, as far as it can be found out in a few seconds. In a storm the records are not
    read, and a silent Prometheus is not waited for, once more for each message."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prometheus = Prometheus(settings, limit_s=_ASK_S)
        self._recorded: tuple[list[Change], list[str]] = [], []
        self._releases: tuple[SeenRelease, ...] = ()
        self._read_at = datetime.min.replace(tzinfo=UTC)
        self._silent_since: datetime | None = None

    def __call__(self, telling: Telling, memory: Memory) -> Findings:
        now = datetime.now(UTC)
        changes, unknown = self._changes(memory, now)
        rate = None
        if self._prometheus.is_configured:
            rate = self._rate(telling.issue.first_seen, now)
            if rate is None:
                unknown = [*unknown, "Not known: the error rate; Prometheus does not answer."]
        return Findings(changes, rate, unknown)

    def _changes(self, memory: Memory, now: datetime) -> tuple[list[Change], list[str]]:
        if self._releases != memory.releases or not _is_within(now, self._read_at, _KEPT):
            self._recorded = recorded_changes(self._settings, memory.releases, now)
            self._releases, self._read_at = memory.releases, now
        return self._recorded

    def _rate(self, moment: datetime, now: datetime) -> RateChange | None:
        if self._silent_since and _is_within(now, self._silent_since, _NOT_ASKED_AGAIN):
            return None
        try:
            return error_rate(self._prometheus, self._settings, moment, now)
        except PrometheusError:
            self._silent_since = now
            return None


def _is_within(now: datetime, since: datetime, span: timedelta) -> bool:
    return timedelta(0) <= now - since < span


def error_rate(
    prometheus: Prometheus, settings: ErrorSettings, moment: datetime, now: datetime
) -> RateChange:
    """Of all services, in the hour before a moment and since; of an error that is old, in the last
    ten minutes and the hour before those.

    Raises:
        PrometheusError: it does not answer.
    """
    since = min(max(now - moment, _SHORTEST_SINCE), _LONGEST_SINCE)
    return RateChange(
        before=_share(prometheus, settings, _BEFORE, now - since),
        since=_share(prometheus, settings, since, now),
        before_s=_BEFORE.total_seconds(),
        since_s=since.total_seconds(),
    )


def _share(
    prometheus: Prometheus, settings: ErrorSettings, window: timedelta, at: datetime
) -> Share | None:
    over = f"[{round(window.total_seconds())}s]"
    every = _number(prometheus, f"sum(increase({REQUESTS}{over}))", at)
    wrong = _number(prometheus, f"sum(increase({errors(settings.alert_thresholds)}{over}))", at)
    return None if every is None else Share(wrong or 0.0, every)


def _number(prometheus: Prometheus, query: str, at: datetime) -> float | None:
    found = prometheus.instant(query, at)
    return found[0].points[0][1] if found else None


def _cleaning(settings: Settings) -> Callable[[str], str]:
    """As events are, before they leave a service: others may have sent what never was one."""
    return Scrubber(secrets=secret_values(settings)).text
