"""`/metrics` of a service, as an ASGI application: for whom it may be, and without making it wait.

Rendering costs about 7 microseconds a series, so that a scrape is answered with what was rendered
at most a few seconds ago.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import math
import threading
import time
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr

from onyx_pipelines.backup.secret_hygiene import weakness
from onyx_pipelines.core.addresses import is_within, parse_address, parse_networks
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.monitoring.instrumentation.requests import Receive, Scope, Send
from onyx_pipelines.monitoring.metrics import AGE

# A third of the interval between scrapes.
_EVERY_S: Final = 5.0
# Two scrapes may fail before nobody is thought to ask any more.
_ASKED_WITHIN_S: Final = 60.0
_LOG: Final = logger("metrics")
_AGE_HEAD: Final = f"# HELP {AGE.name} {AGE.text}\n# TYPE {AGE.name} gauge\n"
_REFUSED: Final = {401: b"User or password is wrong.\n", 403: b"Not from this address.\n"}


class Snapshot:
    """The registry's text, rendered in the background for as long as somebody asks for it, and how
    old it is.

    Args:
        every_s: between two renderings.
        asked_within_s: after which nobody asks any more.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        every_s: float = _EVERY_S,
        asked_within_s: float = _ASKED_WITHIN_S,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no types for it
        self._registry = registry
        self._every_s, self._asked_within_s = every_s, asked_within_s
        self._asked = self._looked = 0.0
        self._text = b""
        self._renderer: threading.Thread | None = None
        self._is_there = threading.Event()
        self._is_over = threading.Event()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Render before anybody asks."""
        with self._lock:
            self._asked = time.monotonic()
            self._is_over.clear()
            if self._renderer is None:
                self._text = b""
                self._is_there.clear()
                self._renderer = threading.Thread(target=self._keep_fresh, daemon=True)
                self._renderer.start()

    def end(self) -> None:
        """Nobody asks any more; whoever does all the same begins anew."""
        with self._lock:
            self._asked = -math.inf
            self._is_over.set()

    def text(self) -> bytes:
        """In Prometheus's format. Who asks before there is one, or after nobody did for long, waits
        for it.

        Raises:
            RuntimeError: the registry could not be rendered; the reason is in the log.
        """
        self.begin()
        self._is_there.wait()
        text = self._with_age()
        if not text:
            raise RuntimeError("The metrics could not be rendered.")
        return text

    def text_at_once(self) -> bytes:
        """The same where nobody has to wait for it; empty where one has."""
        self.begin()
        return self._with_age() if self._is_there.is_set() else b""

    def _with_age(self) -> bytes:
        with self._lock:
            text, age_s = self._text, time.monotonic() - self._looked
        return text and text + f"{_AGE_HEAD}{AGE.name} {age_s:.3f}\n".encode()

    def _keep_fresh(self) -> None:
        try:
            while self._is_asked():
                looked = time.monotonic()
                text = generate_latest(self._registry)
                with self._lock:
                    self._text, self._looked = text, looked
                self._is_there.set()
                self._is_over.wait(self._every_s)
        except Exception:  # noqa: BLE001  # whatever a collector raises; who asks next tries again
            _LOG.exception("The metrics could not be rendered")
        finally:
            with self._lock:
                self._renderer = None
            self._is_there.set()

    def _is_asked(self) -> bool:
        with self._lock:
            return time.monotonic() - self._asked <= self._asked_within_s


class MetricsEndpoint:
    """To be mounted where the service has its other routes.

    Args:
        registry: what it shows.
        user: of basic authentication, as Prometheus has it.
        password: from a file or the environment.
        allowed: networks; who connects must be of one of them. A header says nothing: whoever
            asks writes it.
        sandbox: a password that everybody knows is taken.

    Raises:
        SettingsError: the password is one to guess; a network is none.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        user: str,
        password: SecretStr,
        allowed: Iterable[str],
        sandbox: bool = False,
    ) -> None:
        secret = password.get_secret_value()
        weak = weakness(secret, user)
        if weak and not sandbox:
            raise SettingsError(
                f"The password of /metrics {weak}.",
                remedy="Give it one of `openssl rand -hex 16`, in a file.",
            )
        self._expected = f"{user}:{secret}".encode()
        self._allowed = parse_networks(allowed, "The networks that may read /metrics")
        self._snapshot = Snapshot(registry)

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        refused = self._refusal(scope)
        if refused:
            headers = [(b"www-authenticate", b'Basic realm="metrics"')] if refused == 401 else []
            await _answer(send, refused, b"text/plain", _REFUSED[refused], headers)
            return
        # Each thread that has to come to its turn may wait for one that renders.
        text = self._snapshot.text_at_once() or await asyncio.to_thread(self._snapshot.text)
        await _answer(send, 200, CONTENT_TYPE_LATEST.encode(), text, [])

    def _refusal(self, scope: Scope) -> int:
        """The status; 0: come in."""
        peer = parse_address((scope.get("client") or ("", 0))[0])
        if peer is None or not is_within(peer, self._allowed):
            return 403
        header = dict(scope["headers"]).get(b"authorization", b"")
        return 0 if hmac.compare_digest(basic_credentials(header), self._expected) else 401


def basic_credentials(header: bytes) -> bytes:
    """`user:password` of an Authorization header; empty where there is none (RFC 7617)."""
    kind, _, text = header.partition(b" ")
    if kind.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        return b""


async def _answer(
    send: Send, status: int, kind: bytes, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
