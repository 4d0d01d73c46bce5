"""One pass of the relay after the other: what was heard becomes messages in the outbox, and what is
in the outbox is delivered.

The order of the writes: outbox, memory, inbox, then delivery. A kill after the outbox makes the
same telling again, under the same key, which puts nothing; a kill after the memory finds known
signals in the inbox, and removes them. Only a kill between a channel's answer and the note of it
sends a message twice: an incoming webhook cannot be asked what it has.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from onyx_pipelines.core.errors import AlreadyRunningError, OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.errors.relay.deciding import Telling, due, heard
from onyx_pipelines.errors.relay.inbox import Inbox
from onyx_pipelines.errors.relay.memory import Memory
from onyx_pipelines.errors.relay.pulse import Pulse, pulse_file
from onyx_pipelines.errors.relay.severity import Criteria
from onyx_pipelines.errors.relay.signal import Reason, Signal, Source, without_secrets
from onyx_pipelines.errors.relay.wording import event_of
from onyx_pipelines.errors.what_changed import Findings, most_similar, told
from onyx_pipelines.host.locks import HeldLock, take_lock
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.notify.channels.channel import Channel
from onyx_pipelines.notify.event import Event
from onyx_pipelines.notify.outbox import Outbox
from onyx_pipelines.notify.pacing import Pace

# One of a kind at a time is the relay's own affair; Slack allows one message a second.
PACE: Final = Pace(same_kind_every=timedelta(0), per_window=10, rolls_up=True, first_retry_s=2.0)
LISTED_EVERY: Final = timedelta(seconds=10)
_BEATS_EVERY: Final = timedelta(seconds=10)
# A delivery that hangs must not keep the next message from the others.
_PATIENCE_S: Final = 10.0
_log = logger("errors.relay")
_Answer = TypeVar("_Answer")


def _nothing(*_: object) -> Sequence[Signal]:
    return ()


def _as_it_is(signal: Signal) -> Signal:
    return signal


def _no_findings(_: Telling, __: Memory) -> Findings:
    return Findings()


@dataclass(frozen=True)
class Surroundings:
    """What the relay asks; each may raise OnyxError, which costs that answer and nothing else.

    Args:
        listed: the tracker's issues with events since a moment, each as it is counted now.
        captured: events that were captured after a moment and wait for a tracker, which does not
            answer.
        filled: the signal with what the tracker knows of its newest event.
        findings: what changed before it.
        clean: a text without secrets.
    """

    listed: Callable[[datetime], Sequence[Signal]] = _nothing
    captured: Callable[[datetime], Sequence[Signal]] = _nothing
    filled: Callable[[Signal], Signal] = _as_it_is
    findings: Callable[[Telling, Memory], Findings] = _no_findings
    clean: Callable[[str], str] = str


@dataclass
class _Counts:
    heard: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    held: int = 0


class PacedChannel:
    """A channel of people's, with a box of its own: errors hold back no message of runs."""

    pace: Pace | None = PACE

    def __init__(self, inner: Channel) -> None:
        self.name = f"errors by {inner.name}"
        self._inner = inner

    def wants(self, event: Event) -> bool:
        """As the channel's routes say."""
        return self._inner.wants(event)

    def send(self, events: Sequence[Event]) -> None:
        """Raises DeliveryError."""
        self._inner.send(events)


class Relay:
    """Of one host or stack; one process at a time is.

    Args:
        channels: those of the settings.
        playbook: where it says what to do about a critical error; empty: nowhere.
    """

    def __init__(
        self,
        state_dir: Path,
        channels: Iterable[Channel],
        *,
        criteria: Criteria,
        surroundings: Surroundings,
        playbook: str = "",
    ) -> None:
        self.inbox = Inbox(state_dir)
        self.refused = 0
        self._folder = state_dir / "errors" / "relay"
        self._memory = RecordFile(self._folder / "memory.json", Memory)
        self._pulse = pulse_file(state_dir)
        self._outbox = Outbox(state_dir)
        self._channels = [PacedChannel(each) for each in channels if each.pace]
        self._criteria = criteria
        self._around = surroundings
        self._playbook = playbook
        self._counts = _Counts()
        self._listed_at: datetime | None = None
        self._listing_failed_since: datetime | None = None
        self._ask_again_at: datetime | None = None
        self._said: Pulse | None = None
        self._woken = threading.Event()

    def alone(self) -> HeldLock:
        """Nobody else is the relay while this is held.

        Raises:
            AlreadyRunningError: somebody is.
            OSError: the state directory cannot be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = take_lock(self._folder / "relay.lock")
        if held is None:
            raise AlreadyRunningError(
                "A relay of error messages already runs on this host.",
                remedy="One is enough; stop that one first.",
            )
        return held

    def hear(self, signal: Signal) -> None:
        """Durable when it returns, and worked on at once.

        Raises:
            InboxError: it cannot be stored.
        """
        self.inbox.put(without_secrets(signal, self._around.clean))
        self.wake()

    def wake(self) -> None:
        """Whoever waits for the next pass begins it."""
        self._woken.set()

    def wait(self, seconds: float) -> None:
        """Until something is heard, at the longest so long."""
        self._woken.wait(seconds)
        self._woken.clear()

    def pass_(self, now: datetime) -> int:
        """Work on all that is new; gives the number of messages that were delivered.

        Raises:
            OSError: the state directory cannot be read or written.
        """
        waiting = self.inbox.waiting()
        memory = before = self._remembered(now)
        fresh = [self._filled(each.signal, now) for each in waiting]
        if self._listed_at is None or not (now - self._listed_at) < LISTED_EVERY:
            memory, listed = self._listed(memory, now)
            fresh += listed
        tellings: list[Telling] = []
        for signal in fresh:
            self._counts.heard[signal.source] += signal.key not in memory.keys
            held_before = _held(memory)
            memory, telling = heard(memory, signal, self._criteria, now)
            self._counts.held += max(0, _held(memory) - held_before)
            tellings += [telling] if telling else []
        memory, late = due(memory, now)
        for telling in (*tellings, *late):
            self._put(telling, memory)
        if memory != before:
            self._memory.write(memory)
        self.inbox.remove(waiting)
        delivered = self._outbox.deliver(self._channels, now, patience_s=_PATIENCE_S)
        self._beat(now)
        return delivered

    def memory(self, now: datetime) -> Memory:
        """What is remembered. Raises OSError."""
        return self._remembered(now)

    def _remembered(self, now: datetime) -> Memory:
        try:
            found = self._memory.read()
        except ValidationError:
            _log.error("What the relay remembers is damaged, and begins anew.")
            found = None
        return found or Memory(began_at=now)

    def _listed(self, memory: Memory, now: datetime) -> tuple[Memory, list[Signal]]:
        """What the tracker lists; where it does not answer, what waits for it."""
        self._listed_at = now
        seen = [each.last_seen for each in memory.issues.values()]
        since = max([memory.began_at, *seen]) - LISTED_EVERY * 6
        try:
            listed = self._around.listed(max(since, memory.began_at))
            found = [each for each in listed if each.at >= memory.began_at]
            known = {each.last.issue for each in memory.issues.values()}
            found = [each if each.issue in known else self._filled(each, now) for each in found]
            self._listing_failed_since = None
        except OnyxError as error:
            if self._listing_failed_since is None:
                _log.warning("The tracker does not list its issues: %s", error)
            self._listing_failed_since = self._listing_failed_since or now
            self._ask_again_at = now + LISTED_EVERY
            since = memory.captured_until or memory.began_at
            found = list(self._asked(lambda: self._around.captured(since)) or ())
            newest = max([since, *(each.at for each in found)])
            memory = memory.model_copy(update={"captured_until": newest})
        return memory, [without_secrets(each, self._around.clean) for each in found]

    def _filled(self, signal: Signal, now: datetime) -> Signal:
        """Bugsink's webhook says neither level nor release: its newest event does. A tracker that
        does not answer is not waited for once more for each of them."""
        if signal.source is Source.CAPTURED or signal.reason is Reason.RESOLVED or signal.level:
            return signal
        if self._ask_again_at and timedelta(0) < self._ask_again_at - now <= LISTED_EVERY:
            return signal
        filled = self._asked(lambda: self._around.filled(signal))
        if filled is None:
            self._ask_again_at = now + LISTED_EVERY
            return signal
        return without_secrets(filled, self._around.clean)

    def _put(self, telling: Telling, memory: Memory) -> None:
        findings = self._asked(lambda: self._around.findings(telling, memory))
        if findings is None:
            findings = Findings(unknown=["Not known: what changed could not be asked."])
        issue = telling.issue
        is_new = telling.reason in {Reason.NEW, Reason.ALERT}
        moment = issue.first_seen if is_new else issue.last_seen
        sections = {}
        if telling.reason is not Reason.RESOLVED:
            similar = most_similar(issue, memory.issues, telling.fingerprint)
            sections = told(findings, moment, issue.last.service, similar)
        event = _cleaned(event_of(telling, sections, self._playbook), self._around.clean)
        _log.warning("%s", event.subject, extra={"event": event.as_json()})
        self._outbox.put(event, self._channels, key=telling.key)
        self._counts.told[issue.severity] += 1

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer | None:
        try:
            return ask()
        except OnyxError as error:
            _log.warning("%s", error)
        except Exception:  # noqa: BLE001  (whatever breaks there, people must be told of the error)
            _log.exception("A part of an error's message could not be found out.")
        return None

    def _beat(self, now: datetime) -> None:
        """Where something else is to be said, or it was said long ago."""
        counts, before = self._counts, self._said
        self._said = Pulse(
            at=now,
            heard=dict(counts.heard),
            told=dict(counts.told),
            held=counts.held,
            refused=self.refused,
            waiting=sum(each.pending for each in self._outbox.states(self._channels)),
            listing_failed_since=self._listing_failed_since,
        )
        is_recent = before is not None and timedelta(0) <= now - before.at < _BEATS_EVERY
        if before is None or not is_recent or before.model_copy(update={"at": now}) != self._said:
            self._pulse.write(self._said)
        else:
            self._said = before


def _held(memory: Memory) -> int:
    return sum(each.held for each in memory.issues.values())


def _cleaned(event: Event, clean: Callable[[str], str]) -> Event:
    """The sections too: what was done by hand may have been named with a secret."""
    return replace(event, sections={name: clean(text) for name, text in event.sections.items()})
