"""What waits for one channel, on disk: a restart, a kill or an outage loses none.

One file per event. What was delivered is not sent again, but a kill
between sending and noting it sends it twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import AwareDatetime, BaseModel, ValidationError

from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.retry_after import LONGEST_ASKED_S
from onyx_pipelines.core.text import limit_text, stamp_text
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.host.locks import lock
from onyx_pipelines.notify.backoff import GIVE_UP_AFTER_S, next_try_s
from onyx_pipelines.notify.channels.channel import Channel, DeliveryError
from onyx_pipelines.notify.event import Event, event_from_json
from onyx_pipelines.notify.pacing import FOR_PEOPLE, Sent, messages, remembered
from onyx_pipelines.notify.rolling_up import rolled_up, urgency

_log = logger("notify")
_STATE: Final = "state.json"
# What is not begun by then is left to the next time.
_BEGIN_WITHIN_S: Final = 15.0


@dataclass(frozen=True)
class ChannelState:
    """What a person should see of a channel."""

    name: str
    last_success: datetime | None = None
    last_error: str = ""
    last_error_at: datetime | None = None
    pending: int = 0
    given_up: int = 0


class _State(BaseModel):
    """What is remembered of a channel. `sent`: when, and of which kind."""

    last_success: AwareDatetime | None = None
    last_error: str = ""
    last_error_at: AwareDatetime | None = None
    given_up: int = 0
    sent: tuple[tuple[AwareDatetime, str], ...] = ()
    not_before: AwareDatetime | None = None


@dataclass
class _Entry:
    path: Path
    event: Event
    attempts: int = 0
    due: datetime | None = None


class Box:
    """Of one channel of a host; several processes may put and deliver."""

    def __init__(self, folder: Path, channel: Channel) -> None:
        legible = re.sub(r"[^A-Za-z0-9@.+-]", "_", channel.name)[:60]
        digest = hashlib.sha256(channel.name.encode()).hexdigest()[:8]
        self._folder = folder / f"{legible}-{digest}"
        self._channel = channel

    def put(self, event: Event, key: str = "") -> None:
        """Args:
            key: the same one again, while that waits, puts nothing more.

        Raises:
            OSError: the state directory cannot be written.
        """
        if key and self.waits(key):
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = f"{stamp_text(event.occurred_at)[:-1]}{event.occurred_at.microsecond:06}"
        ending = _ending(key) if key else uuid.uuid4().hex[:8]
        _write(_Entry(self._folder / f"{stamp}-{ending}.event.json", event))

    def waits(self, key: str) -> bool:
        """Whether what was put under the key is still here: neither delivered, nor given up."""
        return any(self._folder.glob(f"*-{_ending(key)}.event.json"))

    def deliver(self, now: datetime) -> int:
        """Try what is due; gives the number of messages that were delivered. Never raises for a
        channel's fault. Somebody else who delivers already is left to it (0)."""
        if not self._folder.exists():
            return 0
        with lock(self._folder / "deliver.lock") as alone:
            return self._send_due(now) if alone else 0

    def state(self) -> ChannelState:
        known = self._state()
        return ChannelState(
            name=self._channel.name,
            last_success=known.last_success,
            last_error=known.last_error,
            last_error_at=known.last_error_at,
            pending=len(self._entries()),
            given_up=known.given_up,
        )

    def note_silence(self, waited_s: float, now: datetime) -> None:
        """It is still being told, and somebody has waited long enough."""
        text = f"It has not answered for {limit_text(waited_s)}."
        _log.warning("%s was not told yet: %s", self._channel.name, text)
        self._note(last_error=text, last_error_at=now)

    def _send_due(self, now: datetime) -> int:
        if _waits(self._state().not_before, now):
            return 0
        begun = time.monotonic()
        sent = 0
        past = [Sent(at, kind) for at, kind in self._state().sent]
        groups, pace = self._groups(now), self._channel.pace
        due = messages(list(groups), past, now, pace) if pace else [(kind,) for kind in groups]
        for kinds in due:
            if time.monotonic() - begun > _BEGIN_WITHIN_S:
                break
            told = [[entry.event for entry in groups[kind]] for kind in kinds]
            entries = [entry for kind in kinds for entry in groups[kind]]
            error = self._send(told[0] if len(told) == 1 else [rolled_up(told)])
            if error is None:
                sent += 1
                past.append(Sent(now, kinds[0]))
                self._delivered(entries, past, now)
                continue
            self._failed(entries, error, now)
            if error.retry_after_s:
                break
        return sent

    def _groups(self, now: datetime) -> dict[str, list[_Entry]]:
        """Events of one kind are one message. To people the worst goes first, before the limit is
        used up; a machine is told in the order of events."""
        groups: dict[str, list[_Entry]] = {}
        for entry in self._entries():
            if not _waits(entry.due, now):
                groups.setdefault(entry.event.kind, []).append(entry)
        found = sorted(groups.items(), key=lambda item: item[1][-1].event.occurred_at)
        if self._channel.pace:
            found.sort(key=lambda item: urgency(item[1][-1].event))
        return dict(found)

    def _send(self, events: Sequence[Event]) -> DeliveryError | None:
        try:
            self._channel.send(events)
        except DeliveryError as error:
            return error
        except Exception as error:  # noqa: BLE001  (a bug of a channel must not stop what follows)
            return DeliveryError(f"It broke ({type(error).__name__}).", transient=True)
        return None

    def _delivered(self, group: Sequence[_Entry], past: Sequence[Sent], now: datetime) -> None:
        for entry in group:
            entry.path.unlink(missing_ok=True)
        self._note(
            last_success=now,
            last_error="",
            sent=tuple(
                (each.at, each.kind)
                for each in remembered(past, now, self._channel.pace or FOR_PEOPLE)
            ),
        )

    def _failed(self, group: Sequence[_Entry], error: DeliveryError, now: datetime) -> None:
        _log.warning("%s was not told: %s", self._channel.name, error)
        given_up, first_s = 0, (self._channel.pace or FOR_PEOPLE).first_retry_s
        for entry in group:
            entry.attempts += 1
            wait = timedelta(seconds=next_try_s(entry.attempts, error.retry_after_s, first_s))
            too_old = (now - entry.event.occurred_at).total_seconds() > GIVE_UP_AFTER_S
            if not error.transient or too_old:
                entry.path.unlink(missing_ok=True)
                given_up += 1
            else:
                entry.due = now + wait
                _write(entry)
        asked = next_try_s(1, error.retry_after_s, first_s) if error.retry_after_s else 0.0
        self._note(
            last_error=str(error),
            last_error_at=now,
            given_up=self._state().given_up + given_up,
            not_before=now + timedelta(seconds=asked),
        )

    def _entries(self) -> list[_Entry]:
        found = []
        for path in sorted(self._folder.glob("*.event.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):  # damaged ones keep no other
                data = json.loads(path.read_bytes())
                event = event_from_json(data["event"])
                found.append(_Entry(path, event, int(data["attempts"]), _moment(data["due"])))
        return found

    def _state(self) -> _State:
        """One that is damaged begins anew: it keeps no message from anybody."""
        with suppress(OSError, ValidationError):
            return _State.model_validate_json((self._folder / _STATE).read_bytes())
        return _State()

    def _note(self, **values: Any) -> None:
        after = self._state().model_copy(update=values)
        replace_durably(self._folder / _STATE, after.model_dump_json().encode())


def _ending(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _waits(until: datetime | None, now: datetime) -> bool:
    """No wait is longer than what may be asked for: the clock went back."""
    longest = timedelta(seconds=LONGEST_ASKED_S)
    return until is not None and now < until <= now + longest


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _write(entry: _Entry) -> None:
    due = entry.due.isoformat() if entry.due else None
    data = {"event": entry.event.as_json(), "attempts": entry.attempts, "due": due}
    replace_durably(entry.path, json.dumps(data).encode())
