"""HTTP around the routes: authentication, JSON envelopes, ranges, uploads, injected faults."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from anyio.to_thread import current_default_thread_limiter
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route as WebRoute

from onyx_pipelines.sandbox.qdrant_standin.access import Access, KeyRefusedError, require
from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.node import Node
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported
from onyx_pipelines.sandbox.qdrant_standin.routes import Call, File, Route, find_route

_CHUNK: Final = 1024 * 1024
_HEAD_LIMIT: Final = 64 * 1024
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_OCTETS: Final = "application/octet-stream"
_OPEN_PATHS: Final = ("/", "/healthz", "/readyz", "/livez", "/standin/faults")
_STALL_S: Final = 3600
# One for each request under way: a load test has hundreds.
_THREADS: Final = 512


def create_app(node: Node) -> Starlette:
    """Serves the node, which is closed at the end."""

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = _THREADS
        yield
        node.close()

    async def answer(request: Request) -> Response:
        return await _answer(node, request)

    return Starlette(routes=[WebRoute("/{path:path}", answer, methods=_METHODS)], lifespan=life)


async def _answer(node: Node, request: Request) -> Response:
    begun, template = time.monotonic(), ""
    # Still quoted: a name may hold a slash.
    path = request.scope["raw_path"].decode().rstrip("/") or "/"
    try:
        access = _access(node, request, path)
        if path != "/standin/faults":
            await _suffer(node, path)
        if request.query_params.get("wait") == "false":
            raise unsupported("wait=false")
        route, quoted = find_route(request.method, path)
        template = route.template
        values = {key: unquote(value) for key, value in quoted.items()}
        require(access, request.method, path, values.get("name"))
        call = Call(values, request.query_params, access)
        response = await _worked(node, request, route, call, begun)
    except ClientDisconnect:
        raise
    except ApiError as error:
        response = _refusal(node, request, error, begun)
    except Exception as error:  # noqa: BLE001  (a server answers 500, whatever it was)
        said = ApiError(500, f"Service internal error: {error}")
        response = _refusal(node, request, said, begun)
    # Who still sends would see a reset, and not the answer.
    with suppress(RuntimeError):
        async for _ in request.stream():
            pass
    node.requests[request.method, template, response.status_code] += 1
    return response


def _access(node: Node, request: Request, path: str) -> Access:
    """Of whoever asks; some paths need no key."""
    if path in _OPEN_PATHS:
        return node.keys.access_of(node.keys.api_key)
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return node.keys.access_of(request.headers.get("api-key") or bearer)


async def _suffer(node: Node, path: str) -> None:
    """What is injected into every request."""
    faults = node.faults
    await asyncio.sleep(faults.all_delay_s)
    if faults.all_cpu_s:
        await run_in_threadpool(_burn, faults.all_cpu_s)
    if faults.all_status:
        raise ApiError(faults.all_status, "injected fault")
    if faults.busy_path in path and node.busy_left > 0:
        node.busy_left -= 1
        raise ApiError(429, "injected fault. Retry after 1s", retry_after_s=1)


def _burn(cpu_s: float) -> None:
    until = time.thread_time() + cpu_s
    while time.thread_time() < until:
        pass


async def _worked(node: Node, request: Request, route: Route, call: Call, begun: float) -> Response:
    """What the route answers; it works in a thread, and goes on to its end when the client has
    gone, as on a server."""

    def work(call: Call) -> Response:
        answer = route.handler(node, call)
        if isinstance(answer, File):
            return _file(node, request, answer.path)
        if isinstance(answer, Response):
            return answer
        return JSONResponse({"result": answer, "status": "ok", "time": time.monotonic() - begun})

    if not route.takes_file:
        return await run_in_threadpool(work, replace(call, content=await request.body()))
    with node.receiving() as directory:
        file, name = await _received(request, directory)
        return await run_in_threadpool(work, replace(call, file=file, file_name=name))


async def _received(request: Request, directory: Path) -> tuple[Path, str]:
    """The file of a multipart form, streamed into `directory`, and its name."""
    boundary = re.search(r'boundary="?([^";]+)', request.headers.get("content-type", ""))
    if boundary is None:
        raise ApiError(400, "Required field is missing: snapshot", is_text=True)
    head, end = b"", b""
    with (directory / "received").open("wb") as output:
        async for chunk in request.stream():
            if end:
                output.write(chunk)
            elif len(head) < _HEAD_LIMIT:
                head, end, rest = (head + chunk).partition(b"\r\n\r\n")
                output.write(rest)
        output.truncate(max(0, output.tell() - len(f"\r\n--{boundary[1]}--\r\n")))
    if not re.search(rb'[ ;]name="snapshot"', head):
        raise ApiError(400, "Required field is missing: snapshot", is_text=True)
    name = re.search(rb'filename="([^"]*)"', head)
    file_name = Path(name[1].decode() if name and name[1] else "upload.snapshot").name
    return directory / "received", file_name


def _refusal(node: Node, request: Request, error: ApiError, begun: float) -> Response:
    message = error.message
    if node.faults.echo_headers:
        message += f" {dict(request.headers)}"
    if isinstance(error, KeyRefusedError):
        return Response(message, error.status)
    if error.is_text:
        return PlainTextResponse(message, error.status)
    headers = {"retry-after": str(error.retry_after_s)} if error.retry_after_s else {}
    envelope: Json = {"status": {"error": message}, "time": time.monotonic() - begun}
    return JSONResponse(envelope, error.status, headers)


def _file(node: Node, request: Request, path: Path) -> Response:
    status = path.stat()
    size = status.st_size
    etag = f'"{status.st_ino:x}:{size:x}:{int(status.st_mtime):x}:0"'
    headers = {
        "etag": etag,
        "last-modified": formatdate(status.st_mtime, usegmt=True),
        "content-disposition": _attached(path.name),
        "accept-ranges": "bytes",
    }
    first, last = 0, size - 1
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if wanted:
        first, last = int(wanted[1]), min(int(wanted[2] or last), last)
        if first >= size:
            headers["content-range"] = f"bytes */{size}"
            return Response(b"", 416, headers, _OCTETS)
        headers["content-encoding"] = "identity"
        headers["content-range"] = f"bytes {first}-{last}/{size}"
    if request.headers.get("if-match") not in (None, etag):
        return Response(b"", 412, headers, _OCTETS)
    if node.faults.compress_download:
        return Response(gzip.compress(path.read_bytes(), 1), headers={"content-encoding": "gzip"})
    headers["content-length"] = str(last - first + 1)
    return StreamingResponse(
        _chunks(node, path, first, last), 206 if wanted else 200, headers, _OCTETS
    )


async def _chunks(node: Node, path: Path, first: int, last: int) -> AsyncIterator[bytes]:
    """Where fewer come than were announced, the connection is closed."""
    faults, sent = node.faults, 0
    with path.open("rb") as file:
        file.seek(first)
        while data := file.read(min(_CHUNK, last - first + 1 - sent)):
            cut, stall = faults.cut_download_after, faults.stall_download_after
            if cut is not None and node.cuts_left > 0 and sent + len(data) > cut:
                node.cuts_left -= 1
                yield data[: cut - sent]
                return
            if stall is not None and sent + len(data) > stall:
                yield data[: stall - sent]
                await asyncio.sleep(_STALL_S)
            yield data
            sent += len(data)


def _attached(name: str) -> str:
    if name.isascii():
        return f'attachment; filename="{name}"'
    return f"attachment; filename*=UTF-8''{quote(name)}"
