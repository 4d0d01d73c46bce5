"""Answers of Sentry's API in the form that its public documentation shows (docs.sentry.io/api:
List an Organization's Issues, Retrieve an Issue, Query Explore Events in Table Format, Resolve an
Event ID), with values of ours. No Sentry was at hand to record them from."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

BASE: Final = "/api/0/organizations/the-organization/"
EVENT_ID: Final = "9fac2ceed9344f2bbfdd1fdacb0ed9b1"


def issue(number: int, **changes: Any) -> dict[str, Any]:
    """As *List an Organization's Issues* shows one."""
    return {
        "annotations": [],
        "assignedTo": None,
        "count": "15",
        "culprit": "pump_station.tasks.run",
        "firstSeen": "2026-10-06T13:23:07.128000Z",
        "hasSeen": False,
        "id": str(number),
        "isBookmarked": False,
        "isPublic": False,
        "isSubscribed": True,
        "lastSeen": "2026-11-27T08:14:03.000000Z",
        "level": "error",
        "logger": None,
        "metadata": {"title": "TimeoutError"},
        "numComments": 0,
        "permalink": f"https://sentry.io/organizations/the-organization/issues/{number}/",
        "project": {"id": "2", "name": "Pump Station", "slug": "pump-station"},
        "shareId": None,
        "shortId": f"PUMP-STATION-{number}",
        "stats": {"24h": [[1541455200, 473]]},
        "status": "unresolved",
        "statusDetails": {},
        "substatus": "ongoing",
        "title": "TimeoutError: no answer",
        "type": "error",
        "userCount": 4,
        **changes,
    }


@dataclass
class RecordedSentry:
    """`answers`: by path below the organization, one for each page. `asked`: what it was asked."""

    url: str = ""
    answers: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)


@contextmanager
def recorded_sentry() -> Iterator[RecordedSentry]:
    """On loopback."""
    sentry = RecordedSentry()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            parameters = parse_qs(address.query, keep_blank_values=True)
            path = address.path.removeprefix(BASE)
            sentry.asked.append((path, parameters))
            sentry.tokens.add(self.headers["Authorization"])
            pages = sentry.answers.get(path)
            if pages is None:
                self.send_error(404)
                return
            at = int(parameters.get("cursor", ["0:0:0"])[0].split(":")[1])
            more = "true" if at + 1 < len(pages) else "false"
            body = json.dumps(pages[at]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header(
                "Link",
                f'<{sentry.url}{address.path}?&cursor=0:0:1>; rel="previous"; results="false";'
                f' cursor="0:0:1", <{sentry.url}{address.path}?&cursor=0:{at + 1}:0>; rel="next";'
                f' results="{more}"; cursor="0:{at + 1}:0"',
            )
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    sentry.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield sentry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
