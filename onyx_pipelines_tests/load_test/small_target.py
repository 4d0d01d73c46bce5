"""A tiny real HTTP server as a target: answers, refuses, hangs up, streams."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Behaviour:
    """How the server answers; tests change it. `seen`: requests as (path, headers)."""

    status: int = 200
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b'{"documents": []}'
    stream: tuple[tuple[float, bytes], ...] = ()
    hang_up: bool = False
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


@dataclass(frozen=True)
class SmallTarget:
    url: str
    behaviour: Behaviour


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


@contextmanager
def small_target() -> Iterator[SmallTarget]:
    behaviour = Behaviour()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer()

        def do_DELETE(self) -> None:
            self._answer()

        def _answer(self) -> None:
            behaviour.seen.append((self.command, self.path, dict(self.headers)))
            time.sleep(behaviour.delay_s)
            if behaviour.hang_up:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(behaviour.status)
            for name, value in behaviour.headers.items():
                self.send_header(name, value)
            if behaviour.stream:
                self._stream()
                return
            self.send_header("Content-Length", str(len(behaviour.body)))
            self.end_headers()
            self.wfile.write(behaviour.body)

        def _stream(self) -> None:
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for delay_s, data in behaviour.stream:
                time.sleep(delay_s)
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield SmallTarget(f"http://127.0.0.1:{server.server_address[1]}", behaviour)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
