"""Real servers on loopback that take messages, and can be slow, failing or gone."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Webhook:
    """`answers`: (status, headers, delay) of the next requests; then 200."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], float]] = field(default_factory=list)
    requests: list[tuple[str, bytes]] = field(default_factory=list)

    def json(self, at: int = -1) -> Any:
        return json.loads(self.requests[at][1])


@contextmanager
def webhook() -> Iterator[Webhook]:
    hook = Webhook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            hook.requests.append((self.path, body))
            status, headers, delay = hook.answers.pop(0) if hook.answers else (200, {}, 0.0)
            time.sleep(delay)
            if not status:
                self.connection.close()
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"ok" if status == 200 else b"invalid_payload")

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class MailHost:
    """A mail server that keeps what it takes. `refuse`: the code that recipients get."""

    port: int = 0
    refuse: int = 0
    busy: int = 0
    messages: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


@contextmanager
def mail_host() -> Iterator[MailHost]:
    host = MailHost()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if host.busy:
                self._say(f"{host.busy} not now")
                return
            self._say("220 here")
            while line := self.rfile.readline().decode().strip():
                verb = line.split(" ")[0].upper()
                if verb == "EHLO":
                    self._say("250-here\r\n250 AUTH PLAIN")
                elif verb == "AUTH":
                    host.logins.append(line)
                    self._say("235 in")
                elif verb == "RCPT" and host.refuse:
                    self._say(f"{host.refuse} no")
                elif verb == "DATA":
                    self._say("354 go on")
                    lines = []
                    while (text := self.rfile.readline().decode()) != ".\r\n":
                        lines.append(text)
                    host.messages.append("".join(lines))
                    self._say("250 taken")
                elif verb == "QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 ok")

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    host.port = server.server_address[1]
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
