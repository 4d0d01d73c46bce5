"""Ports of the loopback address."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import Final

HOST: Final = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """So many that nobody has now."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in servers]


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
    """The one of before, but another one where somebody else has it now."""
    return known if known is not None and is_free(known) else free_port()
