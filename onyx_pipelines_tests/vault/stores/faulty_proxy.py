"""A proxy before the real S3 server that spoils chosen requests, and passes all others on.

Requests are passed on byte for byte with their headers, so signatures stay valid.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

_BLOCK = 64 * 1024


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    number: int  # of all requests, from 1


Match = Callable[[Request], bool]


@dataclass
class Fault:
    """One way to fail, for up to `times` requests that match.

    `status` answers with this error; `cut_request_at` and `cut_answer_at` break the connection
    after so many bytes of the body; `stall` never answers, with `cut_answer_at` never ends.
    """

    match: Match
    status: int = 0
    code: str = "InternalError"
    cut_request_at: int | None = None
    cut_answer_at: int | None = None
    stall: bool = False
    times: int = 1_000_000
    hits: int = field(default=0, init=False)


class FaultyProxy:
    """Context manager; `endpoint_url` is to be used in place of the server's."""

    def __init__(self, endpoint_url: str, *faults: Fault) -> None:
        upstream = urlsplit(endpoint_url)
        self.upstream = (upstream.hostname or "", upstream.port or 80)
        self.faults = faults
        self.requests: list[Request] = []
        self.release = threading.Event()
        self._guard = threading.Lock()
        handler = type("_BoundHandler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self._guard:
            request = Request(method, path, len(self.requests) + 1)
            self.requests.append(request)
            for fault in self.faults:
                if fault.hits < fault.times and fault.match(request):
                    fault.hits += 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultyProxy

    def _serve(self) -> None:
        fault = self.proxy.fault_for(self.command, self.path)
        length = int(self.headers.get("Content-Length") or 0)
        if fault and fault.cut_request_at is not None:
            self.rfile.read(min(length, fault.cut_request_at))
            self._reset()
            return
        body = self.rfile.read(length)
        if fault and fault.status:
            self._refuse(fault)
        elif fault and fault.stall and fault.cut_answer_at is None:
            self.proxy.release.wait()
            self.close_connection = True
        else:
            self._pass_on(body, fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815  (http.server's names)

    def _refuse(self, fault: Fault) -> None:
        text = f"<Error><Code>{fault.code}</Code><Message>made up</Message></Error>".encode()
        self.send_response(fault.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _pass_on(self, body: bytes, fault: Fault | None) -> None:
        cut_at = fault.cut_answer_at if fault else None
        upstream = http.client.HTTPConnection(*self.proxy.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "expect":
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            sent = 0
            while block := answer.read(_BLOCK):
                block = block if cut_at is None else block[: cut_at - sent]
                self.wfile.write(block)
                sent += len(block)
                if fault and cut_at is not None and sent >= cut_at:
                    if fault.stall:
                        self.proxy.release.wait()
                    self._reset()
                    return
        finally:
            upstream.close()

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's name)
        pass
