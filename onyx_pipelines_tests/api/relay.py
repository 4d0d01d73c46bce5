"""Between the API and Dagster's web server: a line to cut once a question was passed on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Relay:
    """Passes everything on, each connection by itself.

    Args:
        swallow: the answer to whatever holds this is lost, and the connection with it.
        is_down: nobody is let through any more.
        down_after: becomes down when it has swallowed.
    """

    target: tuple[str, int]
    url: str = ""
    swallow: bytes = b""
    is_down: bool = False
    down_after: bool = False
    swallowed: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            while not self.is_down and (asked := _message(client)):
                with socket.create_connection(self.target) as server:
                    server.sendall(asked)
                    answer = _message(server)
                if self.swallow and self.swallow in asked:
                    self.is_down = self.down_after
                    self.swallowed.set()
                    return
                client.sendall(answer)


def _message(connection: socket.socket) -> bytes:
    """One request or answer with a Content-Length."""
    found = b""
    while b"\r\n\r\n" not in found:
        more = connection.recv(65536)
        if not more:
            return b""
        found += more
    head, _, body = found.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(each[15:]) for each in lines if each.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def relay(url: str) -> Iterator[Relay]:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Relay((host, int(port)), f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=made.serve, args=(listener,), daemon=True)
        thread.start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
