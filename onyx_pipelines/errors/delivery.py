"""Sends what is in the spool, in its order, from a thread of its own: who captures never waits.

One process of a host delivers at a time, for all of them. An event's file is removed when the
tracker has answered that it has it, so that a kill in between sends it again, with the same id, by
which trackers know it.
"""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Self

from onyx_pipelines.core.exchange import Exchange
from onyx_pipelines.core.logs import logger
from onyx_pipelines.errors.answers import Fate, Ruling, ruling
from onyx_pipelines.errors.endpoint import Endpoint
from onyx_pipelines.errors.envelope import sent
from onyx_pipelines.errors.spool import Spool, Spooled

_EXCHANGE_S: Final = 10.0
# What other processes left is looked for so often.
_POLL_S: Final = 5.0
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 60.0
# A pass ends after so long: room is made, and others may deliver, between two.
_PASS_S: Final = 5.0
_SUSPECTS: Final = 10
_HELD: Final = 100
# While nothing is delivered, room is made when so much of the limit was captured.
_ROOM_SHARE: Final = 16
_READ_BYTES: Final = 65536

_log = logger("errors")


class Connection:
    """To a tracker, kept open between requests until the block ends: a tracker closes one that is
    idle, and the next event would find it closed. Not for several threads."""

    def __init__(self, endpoint: Endpoint, limit_s: float = _EXCHANGE_S) -> None:
        self._endpoint = endpoint
        self._limit_s = limit_s
        self._open: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def post(self, envelope: bytes) -> Ruling:
        """What becomes of it. Raises OSError: no answer within the limit, or none that is HTTP."""
        try:
            with Exchange(self._limit_s) as exchange:
                connection = self._connected()
                exchange.watch(connection.sock)
                connection.request("POST", self._endpoint.path, envelope, self._endpoint.headers)
                answer = connection.getresponse()
                body = answer.read(_READ_BYTES)
                if exchange.is_over or (answer.length and len(body) < _READ_BYTES):
                    raise TimeoutError  # an answer that was cut off says nothing
                headers = {name.lower(): value for name, value in answer.getheaders()}
                if not answer.isclosed():
                    self.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise OSError(f"no answer ({type(error).__name__})") from None
        return ruling(answer.status, headers, body, datetime.now(UTC))

    def close(self) -> None:
        """The next request opens another."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _connected(self) -> http.client.HTTPConnection:
        if self._open is None or self._open.sock is None:
            to = self._endpoint
            self._open = (
                http.client.HTTPSConnection(
                    to.host, to.port, timeout=self._limit_s, context=ssl.create_default_context()
                )
                if to.tls
                else http.client.HTTPConnection(to.host, to.port, timeout=self._limit_s)
            )
            self._open.connect()
        return self._open


class Pass:
    """What one look at the spool came to. `wait_s`: before the next; `failed`: why it ended."""

    def __init__(self) -> None:
        self.delivered = 0
        self.refused = 0
        self.wait_s = 0.0
        self.failed = ""
        self.is_done = False


def deliver(spool: Spool, post: Callable[[bytes], Ruling]) -> Pass | None:
    """Send what waits, the oldest first, until the tracker does not take one. None: another process
    is at it.

    An event is given up as refused only where the tracker took another one meanwhile: one that
    refuses everything is ill, and would cost all of them.

    Raises:
        OSError: the spool cannot be read or written.
    """
    with spool.delivering() as alone:
        if not alone:
            return None
        spool.make_room()
        found = Pass()
        suspects: list[Spooled] = []
        until = time.monotonic() + _PASS_S
        try:
            for each in spool.waiting():
                if time.monotonic() > until or len(suspects) > _SUSPECTS or found.wait_s:
                    break
                _deliver_one(each, post, found, suspects)
                if found.failed:
                    break
            else:
                found.is_done = not suspects
        finally:
            if found.delivered:
                found.refused = len(suspects)
            elif suspects:
                found.failed = found.failed or "it refuses events"
            if found.delivered or found.refused:
                spool.count(delivered=found.delivered, refused=found.refused)
            for each in suspects if found.refused else ():
                each.path.unlink(missing_ok=True)
                _log.error("the tracker refused event %s", each.event_id)
        return found


def _deliver_one(
    each: Spooled, post: Callable[[bytes], Ruling], found: Pass, suspects: list[Spooled]
) -> None:
    try:
        envelope = sent(each.path.read_bytes(), datetime.now(UTC))
    except FileNotFoundError:
        return
    except ValueError:  # somebody else's file, or a damaged disk
        suspects.append(each)
        return
    try:
        ruled = post(envelope)
    except OSError as error:
        found.failed = str(error)
        return
    found.wait_s = ruled.wait_s
    if ruled.fate is Fate.TAKEN:
        each.path.unlink(missing_ok=True)
        found.delivered += 1
    elif ruled.fate is Fate.REFUSED:
        suspects.append(each)
    elif not ruled.wait_s:
        found.failed = "it does not take events"


class Delivery:
    """The thread, which is there once something was captured; also after a fork."""

    def __init__(self, spool: Spool, endpoint: Endpoint, *, poll_s: float = _POLL_S) -> None:
        self._spool = spool
        self._endpoint = endpoint
        self._poll_s = poll_s
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._over = threading.Event()
        self._passed = threading.Condition()
        self._passes = 0
        self._put_bytes = 0
        self._held: deque[bytes] = deque(maxlen=_HELD)

    def hold(self, envelope: bytes) -> None:
        """What the disk does not take is kept in memory; the oldest give way."""
        self.wake()
        self._held.append(envelope)
        self._woken.set()

    def wake(self, put_bytes: int = 0) -> None:
        """Something waits. Costs next to nothing."""
        if self._pid != os.getpid():
            self._begin()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="onyx-errors", daemon=True)
            self._thread.start()
        self._put_bytes += put_bytes
        self._woken.set()

    def flush(self, timeout_s: float) -> None:
        """Until what was captured is delivered, or could not be; at most so long."""
        self.wake()
        with self._passed:
            # The pass that is under way may have begun before the last event.
            wanted = self._passes + 2
            self._passed.wait_for(lambda: self._passes >= wanted or self._over.is_set(), timeout_s)

    def stop(self) -> None:
        """Ends the thread, after the event that is under way."""
        self._over.set()
        self._woken.set()

    def _run(self) -> None:
        failures = 0
        while not self._over.is_set():
            self._woken.clear()
            found = self._pass()
            failures = failures + 1 if found and found.failed else 0
            if found and failures == 1:
                _log.warning("the error tracker is not there: %s", found.failed)
            with self._passed:
                self._passes += 1
                self._passed.notify_all()
            if found and (found.wait_s or failures):
                self._pause(max(found.wait_s, _backoff_s(failures)))
            elif found is None or found.is_done:
                self._woken.wait(self._poll_s)

    def _pass(self) -> Pass | None:
        try:
            with Connection(self._endpoint) as connection:
                self._send_held(connection)
                return deliver(self._spool, connection.post)
        except OSError as error:
            _log.warning("errors could not be delivered (%s)", type(error).__name__)
            return None

    def _send_held(self, connection: Connection) -> None:
        """Raises OSError: no answer."""
        while self._held:
            envelope = self._held.popleft()
            is_taken = False
            try:
                is_taken = connection.post(sent(envelope, datetime.now(UTC))).fate is Fate.TAKEN
            finally:
                if not is_taken:
                    self._held.appendleft(envelope)
            if not is_taken:
                return

    def _pause(self, wait_s: float) -> None:
        """What is captured meanwhile must not outgrow the disk."""
        until = time.monotonic() + wait_s
        while (left_s := until - time.monotonic()) > 0 and not self._over.wait(min(left_s, 1.0)):
            if self._put_bytes > self._spool.limit_bytes / _ROOM_SHARE:
                self._put_bytes = 0
                # A disk that does not answer now is asked again in a second.
                with suppress(OSError), self._spool.delivering() as alone:
                    if alone:
                        self._spool.make_room()


def _backoff_s(failures: int) -> float:
    """0 without a failure."""
    return float(
        min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(failures - 1, 10)) if failures else 0
    )
