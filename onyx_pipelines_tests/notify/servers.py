"""Real servers on loopback that take messages, and can be slow, failing or gone."""

from __future__ import annotations

import http.server
import itertools
import json
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Webhook:
    """`answers`: (status, headers, delay) of the next requests; then 200."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], float]] = field(default_factory=list)
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)

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
            hook.answered_at.append(time.time())
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


@contextmanager
def dribbling_server(greeting: bytes, *, every_s: float = 0.1) -> Iterator[int]:
    """Says one byte in a while to whoever connects, for ever; gives its port."""
    ended = threading.Event()

    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                for number in itertools.count():
                    byte = greeting[number : number + 1] or b"x"
                    self.request.sendall(byte)
                    if ended.wait(every_s):
                        return

    with _served(Session) as port:
        try:
            yield port
        finally:
            ended.set()


@dataclass
class MailHost:
    """A mail server that keeps what it takes.

    Args:
        refuse: the code that every recipient gets.
        refused: the codes that these recipients get.
        refuse_login: the code that a login gets.
        extensions: what it offers.
        certificate: its certificate and key in one file, for STARTTLS.
        farewell: what it says to QUIT.
    """

    port: int = 0
    refuse: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    refuse_login: int = 0
    refuse_message: int = 0
    busy: int = 0
    extensions: tuple[str, ...] = ("AUTH PLAIN",)
    certificate: Path | None = None
    farewell: str = "221 bye"
    messages: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


@contextmanager
def mail_host() -> Iterator[MailHost]:
    host = MailHost()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self._talk()

        def _talk(self) -> None:
            if host.busy:
                self._say(f"{host.busy} not now")
                return
            self._say("220 here")
            while line := self.rfile.readline().decode().strip():
                verb = line.split(" ")[0].upper()
                if verb == "EHLO":
                    self._say("\r\n".join(["250-here", *self._offers(), "250 HELP"]))
                elif verb == "STARTTLS":
                    self._say("220 go on")
                    self._speak_tls()
                elif verb == "AUTH":
                    host.logins.append(line)
                    self._say(f"{host.refuse_login} no" if host.refuse_login else "235 in")
                elif verb == "RCPT":
                    self._take_recipient(line[line.index("<") + 1 : line.index(">")])
                elif verb == "DATA":
                    self._take_message()
                elif verb == "QUIT":
                    self._say(host.farewell)
                    return
                else:
                    self._say("250 ok")

        def _offers(self) -> list[str]:
            return [f"250-{each}" for each in host.extensions]

        def _take_recipient(self, address: str) -> None:
            code = host.refuse or host.refused.get(address, 0)
            if not code:
                host.recipients.append(address)
            self._say(f"{code} no" if code else "250 ok")

        def _take_message(self) -> None:
            self._say("354 go on")
            lines = []
            while (text := self.rfile.readline().decode()) != ".\r\n":
                lines.append(text)
            if host.refuse_message:
                self._say(f"{host.refuse_message} no")
                return
            host.messages.append("".join(lines))
            self._say("250 taken")

        def _speak_tls(self) -> None:
            assert host.certificate is not None
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(host.certificate)
            self.request = context.wrap_socket(self.request, server_side=True)
            self.rfile = self.request.makefile("rb")
            self.wfile = self.request.makefile("wb", buffering=0)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with _served(Session) as port:
        host.port = port
        yield host


def self_signed(folder: Path, name: str) -> Path:
    """A certificate and its key, in one file."""
    path = folder / "server.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", path, "-out", path),
            *("-addext", f"subjectAltName=DNS:{name}"),
        ],
        check=True,
        capture_output=True,
    )
    return path


@contextmanager
def _served(session: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), session)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
