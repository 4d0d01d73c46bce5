"""An HTTP server that reads requests and answers whatever a test says, byte for byte."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from onyx_pipelines.vault.stores.s3 import S3Location


@dataclass(frozen=True)
class Answer:
    """Raw bytes; then `dribble`, again and again with a pause, until nobody listens."""

    raw: bytes
    dribble: bytes = b""
    pause_s: float = 0.05


def http(status: int = 200, body: bytes = b"", **headers: str | None) -> Answer:
    """A well-formed answer. Underscores in names become hyphens; None leaves a header out."""
    lines = {"Content_Length": str(len(body)), "Connection": "close", **headers}
    head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in lines.items() if v is not None)
    return Answer(f"HTTP/1.1 {status} So\r\n{head}\r\n".encode() + body)


@dataclass
class NonsenseServer:
    """Context manager. `answer` is asked with the method, the path and the number of the request,
    from 1; `location` is where a store finds it."""

    answer: Callable[[str, str, int], Answer]
    requests: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def location(self) -> S3Location:
        return S3Location(
            bucket="bucket",
            prefix="ours",
            endpoint_url=f"http://127.0.0.1:{self._server.server_address[1]}",
            access_key_id="anybody",
            secret_access_key="anything",
        )

    def __enter__(self) -> Self:
        handler = type("_Bound", (_Handler,), {"owner": self})
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(socketserver.StreamRequestHandler):
    owner: NonsenseServer

    def handle(self) -> None:
        try:
            self._serve()
        except OSError:  # nobody listens any more
            return

    def _serve(self) -> None:
        request = self.rfile.readline().decode().split()
        length, expects = 0, False
        while (line := self.rfile.readline().decode().strip().lower()) != "":
            name, _, value = line.partition(":")
            length = int(value) if name == "content-length" else length
            expects = expects or name == "expect"
        if expects:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.rfile.read(length)
        if len(request) < 2:
            return
        self.owner.requests.append(f"{request[0]} {request[1]}")
        answer = self.owner.answer(request[0], request[1], len(self.owner.requests))
        self.wfile.write(answer.raw)
        while answer.dribble and not self.owner.over.wait(answer.pause_s):
            self.wfile.write(answer.dribble)
