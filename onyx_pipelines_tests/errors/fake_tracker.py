"""An error tracker that answers as it is told, and knows an event again by its id, as trackers do.

`python -m onyx_pipelines_tests.errors.fake_tracker PORT FILE` keeps ids in a file, so that it can
be killed.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from onyx_pipelines.sandbox.ports import free_port

# Bugsink says this with every answer: it concerns no errors.
OTHER_LIMITS = {"X-Sentry-Rate-Limits": "86400:transaction;span:organization"}


def event_in(envelope: bytes) -> dict[str, Any]:
    """The item of an envelope of ours."""
    item = json.loads(envelope.split(b"\n")[2])
    return {"event_id": item.get("check_in_id", ""), **item}


class Answer:
    """What is said to a request."""

    def __init__(
        self, status: int = 200, body: bytes = b"{}", headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.headers = OTHER_LIMITS if headers is None else headers


class FakeTracker:
    """`events`: those it took, each once, in order. `repeats`: how often it got one again."""

    def __init__(self, port: int = 0) -> None:
        self.answer: Callable[[dict[str, Any]], Answer] = lambda _: Answer()
        self.events: list[dict[str, Any]] = []
        self.envelopes: list[bytes] = []
        self.repeats = 0
        self._known: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.dsn = f"http://public@127.0.0.1:{self.port}/7"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def ids(self) -> list[str]:
        return [each["event_id"] for each in self.events]

    def keep(self, event: dict[str, Any]) -> None:
        """Of those with the same id, the first."""
        if event["event_id"] in self._known:
            self.repeats += 1
            return
        self._known.add(event["event_id"])
        self.events.append(event)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        tracker = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # in one packet: TCP would wait 40 ms before a second

            def do_POST(self) -> None:
                envelope = self.rfile.read(int(self.headers["Content-Length"]))
                tracker.envelopes.append(envelope)
                event = event_in(envelope)
                answer = tracker.answer(event)
                if answer.status == 200 and answer.body.startswith(b"{"):
                    tracker.keep(event)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class KilledTracker(FakeTracker):
    """Writes each id before it answers; a kill forgets none."""

    def __init__(self, port: int, file: Path) -> None:
        super().__init__(port)
        self._file = file.open("a")
        self._known = set(file.read_text().split())

    def keep(self, event: dict[str, Any]) -> None:
        """A line each; one that was sent again has a mark."""
        again = "=" if event["event_id"] in self._known else ""
        self._known.add(event["event_id"])
        self._file.write(f"{again}{event['event_id']}\n")
        self._file.flush()


def unused_dsn() -> str:
    """Of a tracker that is not there."""
    return f"http://public@127.0.0.1:{free_port()}/7"


if __name__ == "__main__":
    with KilledTracker(int(sys.argv[1]), Path(sys.argv[2])):
        threading.Event().wait()
