"""The relay's process: the webhooks' receiver beside the passes, and all that a pass asks on this
host: the tracker, Prometheus, what is recorded, the spool."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import uvicorn

from onyx_pipelines.api.connections import Limits
from onyx_pipelines.api.error_hooks import Receiving, receiver
from onyx_pipelines.api.server import server_of
from onyx_pipelines.audit import Channel, Origin
from onyx_pipelines.core.errors import OnyxError, SettingsError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.process_log import secret_values
from onyx_pipelines.core.settings import ErrorSettings, Settings, load_settings
from onyx_pipelines.core.settings.part import variable
from onyx_pipelines.errors.noticed_schema import notice_schemas
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
_NOTICED_EVERY_S: Final = 60.0
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


def serve(stacks: Sequence[Settings]) -> None:
    """Relay until the process is told to end, for each stack by its own settings; address and port
    are those of the first.

    Raises:
        SettingsError: two stacks have a webhook's secret in common.
        AlreadyRunningError: another process does.
        OSError: a state directory, or the port, is not to be had.
    """
    _tell_apart(stacks)
    relays = [relay_of(each) for each in stacks]
    held = [each.alone() for each in relays]
    server = server_of(
        receiver([Receiving(*each) for each in zip(relays, stacks, strict=True)]),
        host=stacks[0].error_relay_host,
        port=stacks[0].error_relay_port,
        limits=Limits.of_this_process(),
    )
    passing = [_Passing(*each, server) for each in zip(relays, stacks, strict=True)]
    for each in passing:
        each.start()
    try:
        server.run()
    finally:
        for each in passing:
            each.end()
        for lock in held:
            lock.release()
    for each in passing:
        if each.error is not None:
            raise each.error


def _tell_apart(stacks: Sequence[Settings]) -> None:
    """Raises SettingsError: of a webhook it could not be said whose it is."""
    for name in ("bugsink_webhook_secret", "sentry_client_secret"):
        given = [getattr(each, name).get_secret_value() for each in stacks]
        if any(given.count(secret) > 1 for secret in given if secret):
            raise SettingsError(
                f"Several stacks have the same {variable(name)}: of a webhook it could not be said"
                " whose it is.",
                remedy="Give each stack its own, or serve one: `onyx --stack NAME errors relay`.",
            )


class _Passing(threading.Thread):
    """One pass of a stack's relay after the other beside the server; what ends it ends the
    server."""

    def __init__(self, relay: Relay, settings: Settings, server: uvicorn.Server) -> None:
        super().__init__(name=f"error-relay {settings.stack}".rstrip(), daemon=True)
        self.error: BaseException | None = None
        self._relay = relay
        self._server = server
        self._ended = threading.Event()
        self._noticing = _Noticing(settings.stack, self._ended)

    def run(self) -> None:
        self._noticing.start()
        try:
            while not self._ended.is_set():
                self._relay.pass_(datetime.now(UTC))
                self._relay.wait(_EVERY_S)
        except BaseException as error:  # noqa: BLE001  (told by the main thread)
            self.error = error
            self._server.should_exit = True

    def end(self) -> None:
        """After the pass under way."""
        self._ended.set()
        self._relay.wake()
        self.join()


class _Noticing(threading.Thread):
    """Looks each minute at what nobody notes. Beside the passes: a database that does not answer
    keeps no message back."""

    def __init__(self, stack: str, ended: threading.Event) -> None:
        super().__init__(name=f"error-relay notices {stack}".rstrip(), daemon=True)
        self._given = {"stack": stack} if stack else None
        self._ended = ended
        self._failed = ""

    def run(self) -> None:
        while not self._ended.is_set():
            try:
                note_changes(load_settings(self._given))
                self._failed = ""
            except (OnyxError, OSError) as error:
                # Said once, not each minute.
                if str(error) != self._failed:
                    _log.warning("Whether anything was changed is not known: %s", error)
                self._failed = str(error)
            self._ended.wait(_NOTICED_EVERY_S)


def note_changes(settings: Settings) -> None:
    """In the audit trail: settings, and schemas of databases, that are not what they were when the
    relay last looked.

    Raises:
        AuditError: it cannot be written.
        SourceError: PostgreSQL does not answer.
        OSError: the state directory cannot be written.
    """
    names = notice(settings)
    if names:
        _note(settings, ChangeKind.CONFIGURATION, f"{', '.join(names)} changed")
    for line in notice_schemas(settings):
        _note(settings, ChangeKind.SCHEMA, line)


def _note(settings: Settings, kind: ChangeKind, what: str) -> None:
    origin = Origin(channel=Channel.DAEMON, actor="errors relay", host=settings.host)
    with noting(settings, origin, kind, what):
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
