"""Where the sandbox's alerts arrive: a webhook and a mail server that only write down what comes.

`python -m onyx_pipelines.sandbox.monitoring.receiver`: both on loopback, until it is stopped.
"""

from __future__ import annotations

import argparse
import json
import socketserver
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines.sandbox.service_process import ServiceProcess, kept_port

ALERTS: Final = "alerts.jsonl"
MAILS: Final = "mails.jsonl"
_LARGEST_BYTES: Final = 4 << 20
_START_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Told:
    """One alert of one message, as people would see it.

    Args:
        status: firing or resolved.
    """

    at: str
    status: str
    alert: str
    service: str
    severity: str
    summary: str


class Receiver(ServiceProcess):
    """Outlives its starter; what arrived stands in two files of `state_dir`."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir, "receiver")

    @property
    def mail_port(self) -> int:
        return kept_port(self.state_dir, "mail")

    @property
    def webhook_url(self) -> str:
        return f"{self.url}/alerts"

    def start(self) -> None:
        """Raises OnyxError: it did not answer."""
        self.serve(
            [
                *(sys.executable, "-m", __name__, "--folder", self.state_dir),
                *("--port", str(self.port), "--mail-port", str(self.mail_port)),
            ],
            {},
            ready_path="/",
            timeout_s=_START_TIMEOUT_S,
        )

    def told(self) -> list[Told]:
        """All that arrived by the webhook, in its order."""
        path = self.state_dir / ALERTS
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [Told(**json.loads(line)) for line in lines]

    def mails(self) -> list[str]:
        """The subjects of what arrived by mail."""
        path = self.state_dir / MAILS
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [str(json.loads(line)["subject"]) for line in lines]


class _Notes:
    """A file of lines, which two servers' threads write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(text)


def _told(message: Mapping[str, Any]) -> list[dict[str, str]]:
    """Of a message in Alertmanager's own format."""
    now = datetime.now(UTC).isoformat()
    return [
        asdict(
            Told(
                now,
                str(each["status"]),
                str(each["labels"]["alertname"]),
                str(each["labels"].get("service", "")),
                str(each["labels"].get("severity", "")),
                str(each["annotations"].get("summary", "")),
            )
        )
        for each in message["alerts"]
    ]


def _webhook(alerts: _Notes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if length > _LARGEST_BYTES:
                self._answer(413)
                return
            message = json.loads(self.rfile.read(length))
            # The dead man's switch is told every minute that all is well.
            if self.path == "/alerts":
                alerts.add(_told(message))
            self._answer(200)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


def _mail_session(mails: _Notes) -> type[socketserver.StreamRequestHandler]:
    """As much of SMTP (RFC 5321) as a client needs to leave a message."""

    class Session(socketserver.StreamRequestHandler):
        timeout = 60

        def handle(self) -> None:
            with suppress(OSError):  # who sends may hang up
                self._talk()

        def _talk(self) -> None:
            self._say("220 sandbox")
            while line := self.rfile.readline(1000).decode("ascii", "replace").strip():
                verb = line.split(" ")[0].upper()
                if verb == "QUIT":
                    self._say("221 bye")
                    return
                if verb == "DATA":
                    self._say("354 go on")
                    mails.add([_mail(self._text())])
                self._say("250 ok")

        def _text(self) -> bytes:
            text = bytearray()
            while (line := self.rfile.readline(100_000)) not in (b".\r\n", b""):
                if len(text) < _LARGEST_BYTES:
                    text += line.removeprefix(b".") if line.startswith(b"..") else line
            return bytes(text)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    return Session


def _mail(text: bytes) -> dict[str, str]:
    message = message_from_bytes(text, policy=policy.default)
    return {
        "at": datetime.now(UTC).isoformat(),
        "to": str(message["To"]),
        "subject": str(message["Subject"]),
    }


class _MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    """Serve until it is stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mail-port", type=int, required=True)
    options = parser.parse_args()
    mails = _MailServer((HOST, options.mail_port), _mail_session(_Notes(options.folder / MAILS)))
    threading.Thread(target=mails.serve_forever, daemon=True).start()
    handler = _webhook(_Notes(options.folder / ALERTS))
    ThreadingHTTPServer((HOST, options.port), handler).serve_forever()


if __name__ == "__main__":
    main()
