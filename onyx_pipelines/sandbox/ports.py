"""Ports of the loopback address."""

from __future__ import annotations

import secrets
import socket
import time
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
_OUTGOING: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Below stand the ports that well-known servers have.
_FIRST: Final = 15_000
_LAST: Final = 65_535
_ENOUGH: Final = 1000
_LET_GO_S: Final = 2.0


def free_ports(count: int) -> list[int]:
    """So many that nobody has now, and that the kernel gives nobody who only calls: between this
    and the start of a server, any connection of the machine could take one of those."""
    first, last = _quiet_range()
    found: set[int] = set()
    while len(found) < count:
        port = secrets.choice(range(first, last + 1))
        if is_free(port):
            found.add(port)
    return list(found)


def _quiet_range() -> tuple[int, int]:
    """Below or above the ports of outgoing connections; else among them."""
    text = _OUTGOING.read_text(encoding="ascii") if _OUTGOING.exists() else "49152 65535"
    begin, end = (int(each) for each in text.split())
    below, above = (_FIRST, begin - 1), (end + 1, _LAST)
    widest = max((below, above), key=lambda each: each[1] - each[0])
    return widest if widest[1] - widest[0] >= _ENOUGH else (_FIRST, _LAST)


def free_port() -> int:
    """One that nobody has now."""
    return free_ports(1)[0]


def is_free(port: int) -> bool:
    try:
        # reuse_port is off: a port that somebody listens on is refused.
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True


def port_again(known: int | None) -> int:
    """The one of before, but another one where somebody else has it now, and for longer than a
    server that was just killed takes to let it go."""
    if known is None:
        return free_port()
    deadline = time.monotonic() + _LET_GO_S
    while not (free := is_free(known)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return known if free else free_port()
