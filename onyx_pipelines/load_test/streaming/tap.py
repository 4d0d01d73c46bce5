"""A proxy on loopback that times streams: `python -m onyx_pipelines.load_test.streaming.tap`.

k6 shows a stream's body only when it has ended, and its `waiting` ends with the headers. The tap
passes everything through and appends one comment with what it saw: the time to the first token and
how many there were. It prints its port when it is ready, and ends with its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import httpx
import uvicorn

from onyx_pipelines.load_test.streaming.tokens import TokenCounter

_STREAMS: Final = ("text/event-stream", "application/x-ndjson", "application/jsonl")
# What belongs to one connection is not passed on (RFC 9110, 7.6.1); we need plain bytes.
_NOT_PASSED: Final = frozenset(
    (
        *(b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"host", b"content-length", b"accept-encoding", b"proxy-authorization"),
    )
)
_TIMEOUT_S: Final = 300.0
# Less than the 5 s after which uvicorn and Node close: a request must not meet the closing.
_IDLE_S: Final = 2.0
# More than a user thinks between two requests, for the same reason.
_KEEP_ALIVE_S: Final = 75

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class Tap:
    """An ASGI application in front of `target`."""

    def __init__(self, target: str) -> None:
        self._target = target.rstrip("/")
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT_S,
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=1000, keepalive_expiry=_IDLE_S
            ),
            trust_env=False,
        )

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            return
        seen = _Seen()
        headers = [
            (name, value) for name, value in scope["headers"] if name.lower() not in _NOT_PASSED
        ]
        headers.append((b"accept-encoding", b"identity"))
        query = scope["query_string"].decode("ascii")
        request = self._client.build_request(
            scope["method"],
            self._target + scope["path"] + (f"?{query}" if query else ""),
            headers=headers,
            content=await _body(receive),
            extensions={"trace": seen.trace},
        )
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            await _begin(send, 502, [(b"content-type", b"text/plain")])
            await _end(send, seen.comment(failure=type(error).__name__))
            return
        try:
            await self._pass_back(answer, seen, send)
        finally:
            await answer.aclose()

    async def _pass_back(self, answer: httpx.Response, seen: _Seen, send: _Send) -> None:
        passed = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower() not in _NOT_PASSED
        ]
        is_stream = answer.headers.get("content-type", "").startswith(_STREAMS)
        await _begin(send, answer.status_code, passed)
        failure = ""
        try:
            async for data in answer.aiter_raw():
                if is_stream:
                    seen.take(data)
                await send({"type": "http.response.body", "body": data, "more_body": True})
        except httpx.HTTPError as error:
            failure = type(error).__name__
        await _end(send, seen.comment(failure) if is_stream or failure else b"")


class _Seen:
    """What one request showed; milliseconds since it arrived."""

    def __init__(self) -> None:
        self._arrived = time.perf_counter()
        self._first_token: float | None = None
        self._tokens = TokenCounter()
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}

    async def trace(self, event: str, _: object) -> None:
        """httpcore's account of a connection that it makes."""
        name, _, state = event.rpartition(".")
        if state == "started":
            self._began[name] = time.perf_counter()
        elif state == "complete" and name in self._began:
            self._took[name] = 1000 * (time.perf_counter() - self._began[name])

    def take(self, data: bytes) -> None:
        if self._tokens.feed(data):
            self._first_token = 1000 * (time.perf_counter() - self._arrived)

    def comment(self, failure: str = "") -> bytes:
        told: dict[str, float | int | str] = {
            "tokens": self._tokens.tokens,
            "connecting": round(self._took.get("connection.connect_tcp", 0.0), 3),
            "tls": round(self._took.get("connection.start_tls", 0.0), 3),
        }
        if self._first_token is not None:
            told["first_token"] = round(self._first_token, 3)
        if failure:
            told |= {"status": 0, "error": failure}
        return f"\n: onyx-tap {json.dumps(told)}\n\n".encode()


async def _body(receive: _Receive) -> bytes:
    pieces = []
    while True:
        message = await receive()
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


async def _begin(send: _Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _end(send: _Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": False})


async def _serve(target: str) -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = uvicorn.Server(
        uvicorn.Config(
            Tap(target),
            log_level="warning",
            lifespan="off",
            access_log=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.01)
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    # Whoever started us holds the other end: gone, however it went, we go too.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    server.should_exit = True
    await serving


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="Times the streams of a target.")
    parser.add_argument("target", help="its origin, e.g. http://127.0.0.1:8080")
    asyncio.run(_serve(parser.parse_args().target))


if __name__ == "__main__":
    main()
