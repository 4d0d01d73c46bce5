"""HTTP around the routes: authentication, JSON envelopes, ranges, uploads, planted faults."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, cast
from urllib.parse import parse_qs, quote, unquote, urlsplit

from onyx_pipelines.sandbox.qdrant_standin.access import Access, KeyRefusedError, require
from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.node import Node
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported
from onyx_pipelines.sandbox.qdrant_standin.routes import (
    Call,
    File,
    Plain,
    Streamed,
    Text,
    find_route,
)

_CHUNK = 256 * 1024
_OPEN_PATHS = ("/", "/healthz", "/readyz", "/livez", "/standin/faults")
_STALL_S = 3600
_TEXT = "text/plain; charset=utf-8"


class StandInServer(ThreadingHTTPServer):
    """Serves one node on loopback."""

    daemon_threads = True
    # With the usual 5, a burst of clients waits a second for its connections to be tried again.
    request_queue_size = 512

    def __init__(self, node: Node, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.node = node


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandInServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  (inherited)
        """Quiet: a log of every request is of no use here."""

    def _answer(self) -> None:
        begun = time.monotonic()
        self._body: bytes | None = None
        url = urlsplit(self.path)
        path = url.path.rstrip("/") or "/"
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        self._template = ""
        try:
            access = self._access(path)
            self._suffer(path)
            if query.get("wait", "true") == "false":
                raise unsupported("wait=false")
            route, quoted = find_route(self.command, path)
            self._template = route.template
            values = {key: unquote(value) for key, value in quoted.items()}
            require(access, self.command, path, values.get("name"))
            call = Call(values, query, self._json, self._upload, access)
            self._send_answer(route.handler(self.server.node, call), begun)
        except ApiError as error:
            self._send_error(error, begun)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as error:  # noqa: BLE001  (a server answers 500, whatever it was)
            self._send_error(ApiError(500, f"Service internal error: {error}"), begun)

    def _suffer(self, path: str) -> None:
        """What is planted for every request."""
        faults = self.server.node.faults
        if path == "/standin/faults":
            return
        time.sleep(faults.all_delay_s)
        until = time.thread_time() + faults.all_cpu_s
        while time.thread_time() < until:
            pass
        if faults.all_status:
            raise ApiError(faults.all_status, "planted fault")
        if faults.busy_path in path and self.server.node.busy_left > 0:
            self.server.node.busy_left -= 1
            raise ApiError(429, "planted fault. Retry after 1s", retry_after_s=1)

    def _send_answer(self, answer: Any, begun: float) -> None:
        if isinstance(answer, File):
            self._send_file(answer.path)
        elif isinstance(answer, Streamed):
            self._send_chunked(answer)
        elif isinstance(answer, Text):
            self._send(200, answer.text.encode(), _TEXT)
        elif isinstance(answer, Plain):
            self._send(200, json.dumps(answer.value).encode())
        else:
            envelope = {"result": answer, "status": "ok", "time": time.monotonic() - begun}
            self._send(200, json.dumps(envelope).encode())

    def _access(self, path: str) -> Access:
        """Of whoever asks; some paths need no key."""
        keys = self.server.node.keys
        if path in _OPEN_PATHS:
            return keys.access_of(keys.api_key)
        bearer = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        return keys.access_of(self.headers.get("api-key") or bearer)

    def _read_body(self) -> bytes:
        if self._body is None:
            self._body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return self._body

    def _json(self) -> Json:
        try:
            value: Json = json.loads(self._read_body() or b"{}")
        except ValueError as error:
            raise ApiError(400, f"Format error in JSON body: {error}") from None
        return value

    def _upload(self, directory: Path) -> tuple[Path, str]:
        """The file of a multipart form, streamed into `directory`, and its name."""
        boundary = re.search(r'boundary="?([^";]+)', self.headers.get("content-type") or "")
        length = self.headers.get("content-length")
        if boundary is None or length is None:
            raise ApiError(400, "Required field is missing: snapshot", is_text=True)
        head = b""
        while b"\r\n\r\n" not in head:
            line = self.rfile.readline(65536) if len(head) < int(length) else b""
            if not line:
                break
            head += line
        if not re.search(rb'[ ;]name="snapshot"', head):
            self.rfile.read(int(length) - len(head))
            self._body = b""
            raise ApiError(400, "Required field is missing: snapshot", is_text=True)
        name = re.search(rb'filename="([^"]*)"', head)
        file_name = Path(name[1].decode() if name and name[1] else "upload.snapshot").name
        target = directory / "received"
        tail = len(f"\r\n--{boundary[1]}--\r\n")
        left = int(length) - len(head) - tail
        with target.open("wb") as output:
            while left > 0:
                data = self.rfile.read(min(_CHUNK, left))
                if not data:
                    raise ApiError(400, "The upload was cut short")
                output.write(data)
                left -= len(data)
        self.rfile.read(tail)
        self._body = b""
        return target, file_name

    def _send(
        self,
        status: int,
        data: bytes,
        content_type: str = "application/json",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        # An unread body would be taken for the connection's next request.
        self._read_body()
        self._begin(status)
        if content_type:
            self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _begin(self, status: int) -> None:
        self.server.node.requests[self.command, self._template, status] += 1
        self.send_response(status)

    def _send_error(self, error: ApiError, begun: float) -> None:
        message = error.message
        if self.server.node.faults.echo_headers:
            message += f" {dict(self.headers)}"
        envelope = {"status": {"error": message}, "time": time.monotonic() - begun}
        headers = {"retry-after": str(error.retry_after_s)} if error.retry_after_s else {}
        try:
            if isinstance(error, KeyRefusedError):
                self._send(error.status, message.encode(), "")
            elif error.is_text:
                self._send(error.status, message.encode(), _TEXT)
            else:
                self._send(error.status, json.dumps(envelope).encode(), headers=headers)
        except OSError:
            self.close_connection = True

    def _send_chunked(self, answer: Streamed) -> None:
        self._begin(200)
        self.send_header("content-type", "application/octet-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        answer.write(cast("IO[bytes]", _Chunks(self.wfile)))
        self.wfile.write(b"0\r\n\r\n")

    def _send_file(self, path: Path) -> None:
        status = path.stat()
        size = status.st_size
        etag = f'"{status.st_ino:x}:{size:x}:{int(status.st_mtime):x}:0"'
        described = {
            "etag": etag,
            "last-modified": formatdate(status.st_mtime, usegmt=True),
            "content-disposition": _attached(path.name),
            "accept-ranges": "bytes",
        }
        octets = "application/octet-stream"
        first, last = 0, size - 1
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range") or "")
        if wanted:
            first, last = int(wanted[1]), min(int(wanted[2] or last), last)
            if first >= size:
                self._send(416, b"", octets, {**described, "content-range": f"bytes */{size}"})
                return
            described |= {
                "content-encoding": "identity",
                "content-range": f"bytes {first}-{last}/{size}",
            }
        if self.headers.get("if-match") not in (None, etag):
            self._send(412, b"", octets, described)
            return
        if self.server.node.faults.compress_download:
            self._send_compressed(path)
            return
        self._begin(206 if wanted else 200)
        self.send_header("content-type", octets)
        self.send_header("content-length", str(last - first + 1))
        for name, value in described.items():
            self.send_header(name, value)
        self.end_headers()
        self._stream(path, first, last)

    def _send_compressed(self, path: Path) -> None:
        data = gzip.compress(path.read_bytes(), 1)
        self._begin(200)
        self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, path: Path, first: int, last: int) -> None:
        node, sent = self.server.node, 0
        with path.open("rb") as file:
            file.seek(first)
            while data := file.read(min(_CHUNK, last - first + 1 - sent)):
                cut = node.faults.cut_download_after
                if cut is not None and node.cuts_left > 0 and sent + len(data) > cut:
                    node.cuts_left -= 1
                    self.wfile.write(data[: cut - sent])
                    self.close_connection = True
                    return
                stall = node.faults.stall_download_after
                if stall is not None and sent + len(data) > stall:
                    self.wfile.write(data[: stall - sent])
                    self.wfile.flush()
                    time.sleep(_STALL_S)
                self.wfile.write(data)
                sent += len(data)


def _attached(name: str) -> str:
    if name.isascii():
        return f'attachment; filename="{name}"'
    return f"attachment; filename*=UTF-8''{quote(name)}"


class _Chunks:
    """HTTP's chunked coding; all that tarfile asks of a stream is write."""

    def __init__(self, output: BufferedIOBase) -> None:
        self._output = output

    def write(self, data: bytes) -> int:
        self._output.write(b"%x\r\n%b\r\n" % (len(data), data))
        return len(data)
