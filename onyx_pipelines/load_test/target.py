"""What is tested: addresses, credentials, and the guard against loading the wrong host."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.load_test.results import Scenario

DEFAULT_PATHS: Mapping[Scenario, str] = {
    Scenario.CHAT: "/api/chat/send-message",
    Scenario.RAG: "/api/rag/search",
    Scenario.AGENT_TASKS: "/api/agent/tasks",
}


@dataclass(frozen=True)
class Target:
    """`token` is sent as a bearer token; empty: none."""

    url: str
    token: SecretStr = field(default_factory=lambda: SecretStr(""))
    paths: Mapping[Scenario, str] = field(default_factory=lambda: dict(DEFAULT_PATHS))

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def origin(self) -> str:
        """Without path, user or password: for reports."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}"

    def address_of(self, scenario: Scenario) -> str:
        return self.url.rstrip("/") + self.paths[scenario]


def require_allowed(target: Target, allowed_hosts: Iterable[str]) -> None:
    """A load test may bring a host down, so only hosts that were named for it are tested.

    Loopback always is one. A name in the list allows that name; an address or a network (CIDR)
    allows a literal address within it.

    Raises:
        SettingsError: no address, not HTTP, credentials in the address, or a host not listed.
    """
    parts = urlsplit(target.url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(
            "ONYX_LOAD_TEST_URL is not an http:// or https:// address.",
            remedy="Set it to the origin of the deployment to be tested, e.g. http://127.0.0.1:8080.",
        )
    if parts.username or parts.password:
        raise SettingsError(
            "ONYX_LOAD_TEST_URL holds a user or a password, which would end in reports.",
            remedy="Give a token in ONYX_LOAD_TEST_TOKEN (or ONYX_LOAD_TEST_TOKEN_FILE) instead.",
        )
    host = parts.hostname
    if _is_loopback(host) or any(_allows(entry, host) for entry in allowed_hosts):
        return
    raise SettingsError(
        f"{host} is not in ONYX_LOAD_TEST_ALLOWED_HOSTS, so nothing was sent to it.",
        remedy="A load test can bring a system down. If it is meant, add the host to that list.",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return all(
            ipaddress.ip_address(found[4][0]).is_loopback
            for found in socket.getaddrinfo(host, None)
        )
    address = _address(host)
    return address is not None and address.is_loopback


def _allows(entry: str, host: str) -> bool:
    if entry.lower() == host.lower():
        return True
    address = _address(host)
    if address is None:
        return False
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
