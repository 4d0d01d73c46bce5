"""A limit on the whole of one exchange with a server: connect, send, read.

Time-outs of a socket hold for one read: who sends a byte every few seconds would hold us for ever.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Self

_CONNECTED: Final = ("connection.connect_tcp.complete", "connection.connect_unix_socket.complete")


class Exchange:
    """A context manager: when its time is over, the connections that it watches are cut."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.is_over = False
        self._watched: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for each in self._watched:
                each.close()
            self._watched = []

    def watch(self, connection: socket.socket) -> None:
        """By a descriptor of our own: whoever wraps the connection in TLS takes its."""
        with self._lock:
            self._watched.append(socket.socket(fileno=os.dup(connection.fileno())))
        if self.is_over:
            self._cut()

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """For the extension `trace` of httpx."""
        if name in _CONNECTED:
            self.watch(info["return_value"].get_extra_info("socket"))

    def _cut(self) -> None:
        self.is_over = True
        with self._lock:
            for each in self._watched:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
