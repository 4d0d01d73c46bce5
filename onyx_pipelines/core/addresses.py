"""Who is asking: the client's address behind proxies, and whether it may ask. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from onyx_pipelines.core.errors import SettingsError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(texts: Iterable[str], variable: str) -> tuple[Network, ...]:
    """Raises SettingsError: one is no address or network."""
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise SettingsError(
                f"{variable}: {text!r} is no address or network.",
                remedy="Write IPv4 or IPv6, e.g. 10.0.0.0/8 or ::1.",
            ) from None
    return tuple(found)


def client_address(
    peer: str, forwarded: Sequence[str], trusted: Sequence[Network]
) -> Address | None:
    """The client's, as the last proxy that we trust saw it.

    X-Forwarded-For is what the client sent with each proxy's peer appended, so it is read from its
    end, and only as long as whoever appended is trusted. None: it cannot be told.

    Args:
        peer: of the connection.
        forwarded: values of all X-Forwarded-For headers, in the order of the request.
    """
    address = parse_address(peer)
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while address is not None and hops and is_within(address, trusted):
        address = parse_address(hops.pop())
    return address


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether a connection's peer is one of our proxies."""
    address = parse_address(peer)
    return address is not None and is_within(address, trusted)


def is_within(address: Address, networks: Iterable[Network]) -> bool:
    """IPv4 is in no network of IPv6, and the other way round; in no network at all: False."""
    return any(address in network for network in networks)


def parse_address(text: str) -> Address | None:
    """IPv4 within IPv6 as IPv4, without a zone; None: it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # The zone of a link-local address is free text.
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        address = ipaddress.IPv6Address(int(address))
    # An IPv4 client on a socket for both.
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
