"""Who may do what: address, then token, then scope; and an end to guessing."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from onyx_pipelines.api.addresses import client_address, is_within, parse_networks
from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.tokens import Scope, TokenFile, find_token
from onyx_pipelines.audit import Origin, api_origin
from onyx_pipelines.settings import Settings

_FAILURES: Final = 10
_WITHIN_S: Final = 60.0
_REMEMBERED: Final = 10_000


@dataclass(frozen=True)
class Caller:
    """Whoever was let in."""

    name: str
    address: str
    scope: Scope

    @property
    def origin(self) -> Origin:
        return api_origin(self.name, self.address)


class FailureLimit:
    """At most so many refused tokens per address and minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, address: str) -> float:
        """How long this address has to wait; 0: it may try."""
        with self._lock:
            recent = self._recent(address)
            return (
                max(0.0, recent[0] + _WITHIN_S - self._clock()) if len(recent) >= _FAILURES else 0
            )

    def note(self, address: str) -> None:
        with self._lock:
            recent = [*self._recent(address), self._clock()]
            self._failures[address] = recent[-_FAILURES:]
            self._failures.move_to_end(address)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        since = self._clock() - _WITHIN_S
        return [at for at in self._failures.get(address, []) if at > since]


class Access:
    """Lets callers in, by the settings of this host."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = parse_networks(settings.api_allowed_addresses, "ONYX_API_ALLOWED_ADDRESSES")
        self._trusted = parse_networks(settings.api_trusted_proxies, "ONYX_API_TRUSTED_PROXIES")
        self._tokens = TokenFile(settings.tokens_file)
        self._limit = FailureLimit()

    def admit(self, request: Request, scope: Scope) -> Caller:
        """Raises ProblemError: 403, 401 or 429."""
        address = self.address_of(request)
        wait = self._limit.wait_s(address)
        if wait > 0:
            raise ProblemError(
                429,
                "Too many refused tokens from this address.",
                remedy="Wait, and look for what sends a wrong token.",
                headers={"Retry-After": str(int(wait) + 1)},
            )
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        token = find_token(self._tokens.all(), text.strip())
        if kind.lower() != "bearer" or token is None:
            self._limit.note(address)
            raise ProblemError(
                401,
                "There is no such token.",
                remedy="Send `Authorization: Bearer TOKEN`; `onyx api token create` makes one.",
                headers={"WWW-Authenticate": 'Bearer realm="onyx"'},
            )
        if not token.scope.includes(scope):
            raise ProblemError(
                403,
                f"The token {token.name} may {token.scope.value}, not {scope.value}.",
                remedy=f"Use a token of scope {scope.value}.",
            )
        return Caller(token.name, address, token.scope)

    def address_of(self, request: Request) -> str:
        """Raises ProblemError: it is not one that may ask."""
        peer = request.client.host if request.client else ""
        address = client_address(peer, request.headers.getlist("x-forwarded-for"), self._trusted)
        if address is None or not is_within(address, self._allowed):
            raise ProblemError(
                403,
                "This address may not use the API.",
                remedy="ONYX_API_ALLOWED_ADDRESSES lists those that may.",
            )
        return str(address)
