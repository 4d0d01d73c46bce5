"""Who may do what: address, then token, then scope; and an end to guessing."""

from __future__ import annotations

import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from onyx_pipelines.api.problems import ProblemError
from onyx_pipelines.api.tokens import Scope, TokenFile, find_token
from onyx_pipelines.audit import Origin, api_origin
from onyx_pipelines.backup.secret_hygiene import weakness
from onyx_pipelines.core.addresses import client_address, is_trusted, is_within, parse_networks
from onyx_pipelines.core.settings import ApiSettings
from onyx_pipelines.monitoring.instrumentation.exposition import basic_credentials

_FAILURES: Final = 10
_WITHIN_S: Final = 60.0
_REMEMBERED: Final = 10_000
# Whoever sends one speaks for somebody else. Only the first is read, and only from our proxies.
_FORWARDED: Final = ("x-forwarded-for", "forwarded", "x-real-ip")


@dataclass(frozen=True)
class Caller:
    """Whoever was let in. `token`: its hash, which tells tokens of one name apart."""

    name: str
    address: str
    scope: Scope
    token: str

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
    """Lets callers in, by the settings of this host and by the tokens of each stack."""

    def __init__(self, *of: ApiSettings) -> None:
        settings = of[0]
        self._allowed = parse_networks(settings.api_allowed_addresses, "ONYX_API_ALLOWED_ADDRESSES")
        self._trusted = parse_networks(settings.api_trusted_proxies, "ONYX_API_TRUSTED_PROXIES")
        self._tokens = {each.stack: TokenFile(each.tokens_file) for each in of}
        self._metrics = (settings.metrics_user, settings.metrics_password)
        self._limit = FailureLimit()

    def admit(self, request: Request, scope: Scope, stack: str | None) -> Caller:
        """By a token of that stack; None: of any.

        Raises:
            ProblemError: 403, 401 or 429.
        """
        address = self.address_of(request)
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        files = self._tokens.values() if stack is None else (self._tokens[stack],)
        token = find_token((token for file in files for token in file.all()), text.strip())
        if kind.lower() != "bearer" or token is None:
            raise self._refusal(
                request,
                address,
                "There is no such token.",
                remedy="Send `Authorization: Bearer TOKEN`; `onyx api token create` makes one."
                + (" Each stack has tokens of its own." if len(self._tokens) > 1 else ""),
                challenge='Bearer realm="onyx"',
            )
        if not token.scope.includes(scope):
            raise ProblemError(
                403,
                f"The token {token.name} may {token.scope.value}, not {scope.value}.",
                remedy=f"Use a token of scope {scope.value}.",
            )
        return Caller(token.name, address, token.scope, token.sha256)

    def admit_metrics(self, request: Request) -> None:
        """Basic authentication: what Prometheus can do. Raises ProblemError: 401, 403, 404, 429."""
        address = self.address_of(request)
        user, password = self._metrics[0], self._metrics[1].get_secret_value()
        # The right one always passes, so it must not be one to guess.
        weak = weakness(password, user) if password else "is not set"
        if weak:
            raise ProblemError(
                404,
                f"There is no /metrics here: ONYX_METRICS_PASSWORD {weak}.",
                remedy="ONYX_METRICS_PASSWORD_FILE: a file with one of `openssl rand -hex 16`.",
            )
        if not hmac.compare_digest(_basic(request), f"{user}:{password}".encode()):
            raise self._refusal(
                request,
                address,
                "User or password is wrong.",
                remedy="Use ONYX_METRICS_USER and its password (basic_auth in Prometheus).",
                challenge='Basic realm="onyx metrics"',
            )

    def _refusal(
        self, request: Request, address: str, what: str, *, remedy: str, challenge: str
    ) -> ProblemError:
        """401, or 429 for an address that has guessed often. Whoever is right is never refused:
        behind a proxy, or on one host, they share the address of those who are not."""
        unauthorized = ProblemError(
            401, what, remedy=remedy, headers={"WWW-Authenticate": challenge}
        )
        if "authorization" not in request.headers:
            return unauthorized
        wait = self._limit.wait_s(address)
        if wait > 0:
            return ProblemError(
                429,
                "Too many refused tokens and passwords from this address.",
                remedy="Look for what sends a wrong one. A right one is taken at any time.",
                headers={"Retry-After": str(int(wait) + 1)},
            )
        self._limit.note(address)
        return unauthorized

    def address_of(self, request: Request) -> str:
        """Raises ProblemError: it is not one that may ask, or is said by whom we do not trust."""
        peer = request.client.host if request.client else ""
        told = next((name for name in _FORWARDED if name in request.headers), None)
        if told and not is_trusted(peer, self._trusted):
            raise ProblemError(
                403,
                f"{peer} sent {told}, but it is none of this API's proxies.",
                remedy="If it is a proxy of yours, list its address in ONYX_API_TRUSTED_PROXIES;"
                " if not, ask without that header.",
            )
        address = client_address(peer, request.headers.getlist("x-forwarded-for"), self._trusted)
        if address is None or not is_within(address, self._allowed):
            raise ProblemError(
                403,
                "This address may not use the API.",
                remedy="ONYX_API_ALLOWED_ADDRESSES lists those that may.",
            )
        return str(address)


def _basic(request: Request) -> bytes:
    return basic_credentials(request.headers.get("authorization", "").encode("latin-1"))
