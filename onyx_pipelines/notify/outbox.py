"""The boxes of all channels: each is told from a thread of its own, so that none delays another."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from onyx_pipelines.notify.box import Box, ChannelState
from onyx_pipelines.notify.channels.channel import Channel
from onyx_pipelines.notify.event import Event

# A tick of a sensor has 60 seconds.
PATIENCE_S: Final = 45.0


class Outbox:
    """In the state directory of a host."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "notify"

    def put(self, event: Event, channels: Sequence[Channel], key: str = "") -> bool:
        """Store what the channels want of it; false if none wants it.

        Args:
            key: for whoever repeats what a kill interrupted: the same event under the same key is
                stored once.

        Raises:
            OSError: the state directory cannot be written.
        """
        wanting = [channel for channel in channels if channel.wants(event)]
        for channel in wanting:
            Box(self._folder, channel).put(event, key)
        return bool(wanting)

    def deliver(
        self,
        channels: Sequence[Channel],
        now: datetime | None = None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> int:
        """Try what is due, on all channels at once; gives the number of messages that were
        delivered. One that has not answered after `patience_s` is left to its thread.

        Raises:
            OSError: the state directory cannot be written.
        """
        moment = now or datetime.now(UTC)
        deadline = time.monotonic() + patience_s
        deliveries = [_Delivery(Box(self._folder, channel), moment) for channel in channels]
        for each in deliveries:
            each.start()
        for each in deliveries:
            each.join(max(0.0, deadline - time.monotonic()))
            if each.is_alive():
                each.box.note_silence(patience_s, moment)
        for each in deliveries:
            if each.error is not None:
                raise each.error
        return sum(each.sent for each in deliveries)

    def waits(self, channel: Channel, key: str) -> bool:
        """Whether what was put under the key still waits for the channel."""
        return Box(self._folder, channel).waits(key)

    def states(self, channels: Sequence[Channel]) -> list[ChannelState]:
        """Of every channel, for people."""
        return [Box(self._folder, channel).state() for channel in channels]


class _Delivery(threading.Thread):
    """A daemon: what hangs does not keep the process."""

    def __init__(self, box: Box, now: datetime) -> None:
        super().__init__(name="notify", daemon=True)
        self.box = box
        self.sent = 0
        self.error: OSError | None = None
        self._now = now

    def run(self) -> None:
        try:
            self.sent = self.box.deliver(self._now)
        except OSError as error:
            self.error = error
