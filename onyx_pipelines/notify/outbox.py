"""Messages that are not delivered yet, on disk: a restart, a kill or an outage loses none.

One file per event, written beside and renamed; it holds the channels that are still to be told.
What was delivered is not sent again, but a kill between sending and noting it sends it twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from onyx_pipelines.notify.backoff import GIVE_UP_AFTER_S, next_try_s
from onyx_pipelines.notify.channels.channel import Channel, DeliveryError
from onyx_pipelines.notify.event import Event, event_from_json
from onyx_pipelines.notify.pacing import Sent, may_send, remembered
from onyx_pipelines.telemetry import logger

_log = logger("notify")
_STATE: Final = "channels.json"


@dataclass(frozen=True)
class ChannelState:
    """What a person should see of a channel."""

    name: str
    last_success: datetime | None = None
    last_error: str = ""
    last_error_at: datetime | None = None
    pending: int = 0
    given_up: int = 0


@dataclass
class _Entry:
    path: Path
    event: Event
    pending: list[str]
    attempts: dict[str, int]
    due: dict[str, str]

    def is_due(self, channel: str, now: datetime) -> bool:
        at = self.due.get(channel)
        return channel in self.pending and (at is None or datetime.fromisoformat(at) <= now)


class Outbox:
    """In the state directory of a host; several processes may put and deliver."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "notify"

    def put(self, event: Event, channels: Sequence[Channel]) -> bool:
        """Store what the channels want of it; false if none wants it.

        Raises:
            OSError: the state directory cannot be written.
        """
        wanting = [channel.name for channel in channels if channel.wants(event)]
        if not wanting:
            return False
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = f"{event.occurred_at.astimezone(UTC):%Y%m%dT%H%M%S%f}"
        path = self._folder / f"{stamp}-{uuid.uuid4().hex[:8]}.event.json"
        self._write(_Entry(path, event, wanting, {}, {}))
        return True

    def deliver(self, channels: Sequence[Channel], now: datetime | None = None) -> int:
        """Try what is due; gives the number of messages that were delivered. Never raises for a
        channel's fault. Somebody else who delivers already is left to it (0)."""
        moment = now or datetime.now(UTC)
        with self._alone() as alone:
            if not alone:
                return 0
            entries = self._entries()
            return sum(self._deliver_to(channel, entries, moment) for channel in channels)

    def states(self, channels: Sequence[Channel]) -> list[ChannelState]:
        """Of every channel, for people."""
        known = self._state()
        pending = [name for entry in self._entries() for name in entry.pending]
        return [
            ChannelState(
                name=channel.name,
                last_success=_moment(known.get(channel.name, {}).get("last_success")),
                last_error=known.get(channel.name, {}).get("last_error", ""),
                last_error_at=_moment(known.get(channel.name, {}).get("last_error_at")),
                pending=pending.count(channel.name),
                given_up=int(known.get(channel.name, {}).get("given_up", 0)),
            )
            for channel in channels
        ]

    def _deliver_to(self, channel: Channel, entries: Sequence[_Entry], now: datetime) -> int:
        groups: dict[tuple[str, str], list[_Entry]] = {}
        for entry in entries:
            if entry.is_due(channel.name, now):
                key = (entry.event.job, entry.event.outcome.value)
                groups.setdefault(key, []).append(entry)
        sent = 0
        past = self._past(channel.name)
        # What is bad is told before the limit is used up.
        for key, group in sorted(groups.items(), key=lambda item: not item[1][-1].event.is_bad):
            kind = "/".join(key)
            if channel.is_paced and not may_send(past, kind, now):
                continue
            try:
                channel.send([entry.event for entry in group])
            except DeliveryError as error:
                self._failed(channel, group, error, now)
                if error.retry_after_s:
                    break
                continue
            except Exception as error:  # noqa: BLE001  (a bug of a channel must not stop the others)
                text = f"It broke ({type(error).__name__})."
                self._failed(channel, group, DeliveryError(text, transient=True), now)
                continue
            sent += 1
            past.append(Sent(now, kind))
            for entry in group:
                entry.pending.remove(channel.name)
                self._keep(entry)
            self._note(
                channel.name,
                last_success=now.isoformat(),
                last_error="",
                sent=[[each.at.isoformat(), each.kind] for each in remembered(past, now)],
            )
        return sent

    def _failed(
        self, channel: Channel, group: Sequence[_Entry], error: DeliveryError, now: datetime
    ) -> None:
        _log.warning("%s was not told: %s", channel.name, error)
        given_up = 0
        for entry in group:
            attempts = entry.attempts.get(channel.name, 0) + 1
            entry.attempts[channel.name] = attempts
            wait = timedelta(seconds=next_try_s(attempts, error.retry_after_s))
            too_old = (now - entry.event.occurred_at).total_seconds() > GIVE_UP_AFTER_S
            if not error.transient or too_old:
                entry.pending.remove(channel.name)
                given_up += 1
            else:
                entry.due[channel.name] = (now + wait).isoformat()
            self._keep(entry)
        total = int(self._state().get(channel.name, {}).get("given_up", 0)) + given_up
        self._note(
            channel.name,
            last_error=str(error),
            last_error_at=now.isoformat(),
            given_up=total,
        )

    def _keep(self, entry: _Entry) -> None:
        if entry.pending:
            self._write(entry)
        else:
            entry.path.unlink(missing_ok=True)

    def _entries(self) -> list[_Entry]:
        found = []
        for path in sorted(self._folder.glob("*.event.json")):
            with suppress(OSError, ValueError, KeyError, TypeError):
                data = json.loads(path.read_bytes())
                found.append(
                    _Entry(
                        path,
                        event_from_json(data["event"]),
                        list(data["pending"]),
                        dict(data["attempts"]),
                        dict(data["due"]),
                    )
                )
        return found

    def _write(self, entry: _Entry) -> None:
        data = {
            "event": entry.event.as_json(),
            "pending": entry.pending,
            "attempts": entry.attempts,
            "due": entry.due,
        }
        _write_json(entry.path, data)

    def _past(self, channel: str) -> list[Sent]:
        return [
            Sent(datetime.fromisoformat(at), kind)
            for at, kind in self._state().get(channel, {}).get("sent", [])
        ]

    def _state(self) -> dict[str, dict[str, Any]]:
        with suppress(OSError, ValueError):
            found: dict[str, dict[str, Any]] = json.loads((self._folder / _STATE).read_bytes())
            return found
        return {}

    def _note(self, channel: str, **values: Any) -> None:
        state = self._state()
        state[channel] = {**state.get(channel, {}), **values}
        _write_json(self._folder / _STATE, state)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(
            self._folder / "deliver.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(descriptor)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _write_json(path: Path, data: Any) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(data, file)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
