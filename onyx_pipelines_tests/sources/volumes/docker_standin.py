"""A stand-in for the Docker Engine API: real HTTP on a unix socket, real state, no containers.

docs/docker_standin.md says what it does, how its answers were checked, and what it may hide.
"""

from __future__ import annotations

import json
import re
import secrets
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

API_VERSION = "1.44"


@dataclass
class _Container:
    id: str
    name: str
    config: dict[str, Any]
    host_config: dict[str, Any]
    status: str = "created"

    @property
    def labels(self) -> dict[str, str]:
        return self.config.get("Labels") or {}


@dataclass
class Faults:
    """What the next calls do wrong, by container name."""

    refuse_start: set[str] = field(default_factory=set)
    refuse_stop: set[str] = field(default_factory=set)
    die_at_start: set[str] = field(default_factory=set)
    # Called once, when a stop arrives and before it is acted on.
    before_stop: list[Callable[[], object]] = field(default_factory=list)


class _Refused(Exception):  # noqa: N818  (an answer of the API, not an error of ours)
    def __init__(self, status: int, message: str = "") -> None:
        self.status = status
        self.message = message


class DockerStandin:
    """The engine's state. `calls` has every change asked for, as `stop NAME` and `start NAME`."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.calls: list[str] = []
        self._containers: dict[str, _Container] = {}
        self._lock = threading.RLock()

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: Any
    ) -> tuple[int, Any]:
        version = re.match(r"/v1\.(\d+)/", path)
        if version and int(version[1]) > int(API_VERSION.partition(".")[2]):
            return 400, {"message": f"client version {path[2:6]} is too new"}
        path = path[version.end() - 1 :] if version else path
        if path.endswith("/stop") and self.faults.before_stop:
            self.faults.before_stop.pop()()
        try:
            with self._lock:
                return self._route(method, path, query, body)
        except _Refused as refusal:
            return refusal.status, {"message": refusal.message}

    def _route(
        self, method: str, path: str, query: Mapping[str, str], body: Any
    ) -> tuple[int, Any]:
        if path == "/_ping":
            return 200, "OK"
        if (method, path) == ("GET", "/version"):
            return 200, {"Version": "stand-in", "ApiVersion": API_VERSION, "MinAPIVersion": "1.24"}
        if (method, path) == ("GET", "/containers/json"):
            return 200, self._listed(query)
        if (method, path) == ("POST", "/containers/create"):
            return 201, self._create(query.get("name", ""), body)
        match = re.fullmatch(r"/containers/([^/]+)(?:/(json|start|stop))?", path)
        if match is None:
            raise _Refused(501, f"the stand-in does not know {method} {path}")
        container = self._find(unquote(match[1]))
        action = {
            ("GET", "json"): self._inspected,
            ("POST", "start"): self._start,
            ("POST", "stop"): self._stop,
            ("DELETE", None): self._remove,
        }.get((method, match[2]))
        if action is None:
            raise _Refused(501, f"the stand-in does not know {method} {path}")
        return action(container)

    def _create(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if any(container.name == name for container in self._containers.values()):
            raise _Refused(409, f'Conflict. The container name "/{name}" is already in use')
        config = {key: value for key, value in body.items() if key != "HostConfig"}
        made = _Container(secrets.token_hex(32), name, config, body.get("HostConfig") or {})
        self._containers[made.id] = made
        return {"Id": made.id, "Warnings": []}

    def _find(self, reference: str) -> _Container:
        """As the engine: whole id, then name, then the beginning of an id."""
        exact = self._containers.get(reference)
        if exact is not None:
            return exact
        for container in self._containers.values():
            if container.name == reference.removeprefix("/"):
                return container
        begun = [c for c in self._containers.values() if c.id.startswith(reference)]
        if len(begun) != 1:
            raise _Refused(404, f"No such container: {reference}")
        return begun[0]

    def _start(self, container: _Container) -> tuple[int, Any]:
        self.calls.append(f"start {container.name}")
        if container.status == "running":
            return 304, None
        if container.name in self.faults.refuse_start:
            raise _Refused(500, "driver failed programming external connectivity on endpoint")
        dies = container.name in self.faults.die_at_start
        container.status = "exited" if dies else "running"
        return 204, None

    def _stop(self, container: _Container) -> tuple[int, Any]:
        self.calls.append(f"stop {container.name}")
        if container.status != "running":
            return 304, None
        if container.name in self.faults.refuse_stop:
            raise _Refused(500, f"cannot stop container: {container.id}: permission denied")
        container.status = "exited"
        if container.host_config.get("AutoRemove"):
            del self._containers[container.id]
        return 204, None

    def _remove(self, container: _Container) -> tuple[int, Any]:
        del self._containers[container.id]
        return 204, None

    def _inspected(self, container: _Container) -> tuple[int, Any]:
        return 200, {
            "Id": container.id,
            "Name": f"/{container.name}",
            "State": {
                "Status": container.status,
                "Running": container.status == "running",
                "ExitCode": 0,
            },
            "Config": {"Image": "", "StopTimeout": None} | container.config,
            "HostConfig": {"AutoRemove": False} | container.host_config,
        }

    def _listed(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        filters = {
            # Clients send a list, older ones an object of booleans.
            key: list(values)
            for key, values in json.loads(query.get("filters") or "{}").items()
        }
        unknown = filters.keys() - {"label", "status"}
        if unknown:
            raise _Refused(400, f"invalid filter '{min(unknown)}'")
        everything = query.get("all") in ("1", "true", "True") or "status" in filters
        return [
            {
                "Id": c.id,
                "Names": [f"/{c.name}"],
                "Image": c.config.get("Image", ""),
                "Command": "",
                "Created": 0,
                "Labels": c.labels,
                "State": c.status,
                "Status": c.status,
            }
            for c in self._containers.values()
            if (everything or c.status == "running")
            and c.status in filters.get("status", [c.status])
            and all(_has_label(c.labels, wanted) for wanted in filters.get("label", []))
        ]


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, separator, value = wanted.partition("=")
    return key in labels and (not separator or labels[key] == value)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    standin: DockerStandin


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, content = self.server.standin.answer(
            self.command, url.path, query, json.loads(body) if body else {}
        )
        data = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Api-Version", API_VERSION)
        self.send_header("Content-Type", "application/json")
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the tests look at `calls`."""


@contextmanager
def served_standin() -> Iterator[tuple[DockerStandin, str]]:
    """The engine and its address. The socket's path is short, because the kernel limits it."""
    with tempfile.TemporaryDirectory(prefix="onyx-docker-") as directory:
        path = Path(directory) / "docker.sock"
        with _Server(str(path), _Handler) as server:
            server.standin = DockerStandin()
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            try:
                yield server.standin, f"unix://{path}"
            finally:
                server.shutdown()
                thread.join()
