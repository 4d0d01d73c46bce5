"""A real engine with trouble: passes every call on to it, but for those that a test wants to fail.

What a healthy engine does not show: a stop that it refuses, a start that it refuses, and the
instant between our look and our stop.
"""

from __future__ import annotations

import json
import re
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx

_CHANGE = re.compile(r"(?:/v1\.\d+)?/containers/([^/]+)/(start|stop|pause|unpause)")
_VOLUMES = re.compile(r"(?:/v1\.\d+)?/volumes")


@dataclass
class Trouble:
    """What the next calls get, by container name. `calls` has each change that was asked for, as
    `stop NAME` and `start NAME`. `drivers`: of which volumes are said to be, by their name."""

    refuse_start: set[str] = field(default_factory=set)
    refuse_stop: set[str] = field(default_factory=set)
    # Called once each, the last one first, when such a call arrives and before it is passed on.
    before_stop: list[Callable[[], object]] = field(default_factory=list)
    before_start: list[Callable[[], object]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    drivers: dict[str, str] = field(default_factory=dict)

    def told(self, answer: bytes, prefix: str) -> bytes:
        """What the engine says of its volumes, each of the driver that it is to be of."""
        listed = json.loads(answer)
        for volume in listed["Volumes"] or []:
            name = volume["Name"].removeprefix(prefix)
            volume["Driver"] = self.drivers.get(name, volume["Driver"])
        return json.dumps(listed).encode()

    def arrives(self, action: str, name: str) -> bool:
        """Whether the call is passed on."""
        self.calls.append(f"{action} {name}")
        hooks = {"start": self.before_start, "stop": self.before_stop}.get(action)
        if hooks:
            hooks.pop()()
        return name not in {"start": self.refuse_start, "stop": self.refuse_stop}.get(action, ())


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    trouble: Trouble
    engine: httpx.Client
    prefix: str

    def name_of(self, container: str) -> str:
        answer = self.engine.get(f"/containers/{container}/json").json()
        return str(answer.get("Name", "")).removeprefix("/").removeprefix(self.prefix)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        trouble = self.server.trouble
        change = _CHANGE.match(self.path)
        if change is None:
            self._pass_on(body)
            return
        name, action = self.server.name_of(change[1]), change[2]
        if not trouble.arrives(action, name):
            message = json.dumps({"message": f"cannot {action} container: permission denied"})
            self._answer(500, "application/json", message.encode())
            return
        self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        answer = self.server.engine.request(
            self.command,
            self.path,
            content=body,
            headers={"Content-Type": self.headers.get("Content-Type") or "application/json"},
        )
        content = answer.content
        if self.command == "GET" and _VOLUMES.fullmatch(self.path):
            content = self.server.trouble.told(content, self.server.prefix)
        self._answer(
            answer.status_code,
            answer.headers.get("Content-Type", ""),
            content,
            version=answer.headers.get("Api-Version", ""),
        )

    def _answer(self, status: int, kind: str, content: bytes, *, version: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Api-Version", version)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(content)

    do_GET = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815  (http.server's names)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's name)
        """Nothing: the tests look at `calls`."""


@contextmanager
def troubled_engine(host: str, prefix: str) -> Iterator[tuple[Trouble, str]]:
    """The trouble to be had, and its address. The socket's path is short: the kernel limits it."""
    transport = httpx.HTTPTransport(uds=host.removeprefix("unix://"))
    with (
        tempfile.TemporaryDirectory(prefix="onyx-docker-") as directory,
        httpx.Client(base_url="http://docker", transport=transport, timeout=120) as engine,
        _Server(f"{directory}/docker.sock", _Handler) as server,
    ):
        server.trouble, server.engine, server.prefix = Trouble(), engine, prefix
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.trouble, f"unix://{Path(directory) / 'docker.sock'}"
        finally:
            server.shutdown()
            thread.join()
