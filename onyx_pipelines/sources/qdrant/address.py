"""Qdrant's address, checked and always spelled the same."""

from __future__ import annotations

from urllib.parse import urlsplit

from onyx_pipelines.core.addresses import parse_address
from onyx_pipelines.core.errors import SourceError

_PORTS = {"http": 80, "https": 443}


def normalised_url(text: str) -> str:
    """`http(s)://host:port/prefix`, with the port spelled out and no slash at the end.

    Raises:
        SourceError: not an address of that form, or one with a name and password in it.
    """
    try:
        parts = urlsplit(text.strip())
        port, host = parts.port, parts.hostname
    except ValueError:
        raise _bad("is not a URL") from None
    if parts.scheme not in _PORTS or not host:
        raise _bad("is not an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise _bad("holds a user name or a password")
    if parts.query or parts.fragment:
        raise _bad("has more than a host, a port and a path")
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}:{port or _PORTS[parts.scheme]}{parts.path.rstrip('/')}"


def is_this_host(url: str) -> bool:
    """Whether no network is between: a loopback address. Other names of this host may be any."""
    host = urlsplit(url).hostname or ""
    address = parse_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _bad(problem: str) -> SourceError:
    # The text itself is not repeated: it may hold the password.
    return SourceError(
        f"ONYX_QDRANT_URL {problem}.",
        remedy="Set it like http://qdrant:6333, and a key in ONYX_QDRANT_API_KEY.",
    )
