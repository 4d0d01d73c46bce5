"""Figures of this machine, and what of it others reach."""

from __future__ import annotations

import ctypes
import ipaddress
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from onyx_pipelines.core.settings import StoreSettings
from onyx_pipelines.readiness.launch.facts import Listening, SeenFigure, SeenPorts
from onyx_pipelines.readiness.launch.looking.unable import UnableError
from onyx_pipelines.readiness.launch.verification import HostFigure, OfHost

_PROC: Final = Path("/proc")
_LISTENING: Final = "0A"
_UPGRADES: Final = Path("/etc/apt/apt.conf.d")
# adjtimex(2): of a structure that is given to it whole.
_TIMEX_BYTES: Final = 208
_ON_THE_HOST: Final = "Run `onyx launch check` on the host itself."
_IN_CONTAINER: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))


def host(settings: StoreSettings, asked: OfHost) -> SeenFigure:
    """One figure. Raises UnableError."""
    try:
        return _FIGURES[asked.figure](settings)
    except (OSError, ValueError, LookupError) as error:
        raise UnableError(
            f"This machine does not say ({type(error).__name__}).", remedy=_ON_THE_HOST
        ) from None


def ports() -> SeenPorts:
    """Those of this host. Raises UnableError: this is a container, whose ports are its own."""
    if any(each.exists() for each in _IN_CONTAINER):
        raise UnableError("A container has ports of its own.", remedy=_ON_THE_HOST)
    return listening_ports(_PROC)


def listening_ports(proc: Path) -> SeenPorts:
    """Every TCP port that listens on an address that is not loopback, as the kernel lists it.

    Raises:
        UnableError: it does not.
    """
    found = {(port, address) for port, address in _listening(proc)}
    return SeenPorts(
        listening=tuple(Listening(port=port, address=address) for port, address in sorted(found))
    )


def _listening(proc: Path) -> Iterator[tuple[int, str]]:
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except FileNotFoundError:
            # Of a kernel without IPv6.
            continue
        except OSError as error:
            raise UnableError(
                f"/proc/net/{name} cannot be read ({error.strerror}).", remedy=_ON_THE_HOST
            ) from None
        for line in lines:
            _, local, _, state, *_ = line.split()
            address, port = local.split(":")
            place = _address(address)
            if state == _LISTENING and not place.is_loopback:
                yield int(port, 16), str(place)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Of the kernel's hexadecimal words, in this machine's order of bytes."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    data = b"".join(struct.pack("=I", word) for word in words)
    address = ipaddress.ip_address(data)
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _disk_free(settings: StoreSettings) -> SeenFigure:
    usage = shutil.disk_usage(_existing(settings.state_dir))
    return SeenFigure(value=usage.free / usage.total)


def _inodes_free(settings: StoreSettings) -> SeenFigure:
    found = os.statvfs(_existing(settings.state_dir))
    # Some file systems have no such limit.
    return SeenFigure(value=found.f_favail / found.f_files if found.f_files else 1.0)


def _memory_available(_: StoreSettings) -> SeenFigure:
    memory = _memory()
    return SeenFigure(value=memory["MemAvailable"] / memory["MemTotal"])


def _swap_used(_: StoreSettings) -> SeenFigure:
    memory = _memory()
    total = memory["SwapTotal"]
    return SeenFigure(value=1 - memory["SwapFree"] / total if total else 0.0)


def _memory() -> dict[str, int]:
    lines = (_PROC / "meminfo").read_text(encoding="ascii").splitlines()
    return {name: int(rest.split()[0]) for name, _, rest in (each.partition(":") for each in lines)}


def _clock_error_s(_: StoreSettings) -> SeenFigure:
    """As the kernel estimates it: 16 s where nothing keeps the clock right."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    if libc.adjtimex(buffer) < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")
    # struct timex: modes; then offset, freq and maxerror in microseconds.
    most_us = struct.unpack_from("@illl", buffer)[-1]
    return SeenFigure(value=most_us / 1e6, unit=" s")


def _open_files_free(_: StoreSettings) -> SeenFigure:
    used, _free, most = map(int, (_PROC / "sys/fs/file-nr").read_text(encoding="ascii").split())
    return SeenFigure(value=1 - used / most)


def _upgrades_are_automatic(_: StoreSettings) -> SeenFigure:
    """1: Debian's and Ubuntu's own switch is on."""
    if not _UPGRADES.is_dir():
        raise UnableError(
            "This machine has no apt.", remedy="See to its security updates in its own way."
        )
    texts = [each.read_text(encoding="utf-8", errors="replace") for each in _UPGRADES.iterdir()]
    on = any('APT::Periodic::Unattended-Upgrade "1"' in text for text in texts)
    return SeenFigure(value=float(on))


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.absolute().parents) if each.exists())


_FIGURES: Final[dict[HostFigure, Callable[[StoreSettings], SeenFigure]]] = {
    HostFigure.DISK_FREE: _disk_free,
    HostFigure.INODES_FREE: _inodes_free,
    HostFigure.MEMORY_AVAILABLE: _memory_available,
    HostFigure.SWAP_USED: _swap_used,
    HostFigure.CLOCK_ERROR_S: _clock_error_s,
    HostFigure.OPEN_FILES_FREE: _open_files_free,
    HostFigure.UPGRADES_ARE_AUTOMATIC: _upgrades_are_automatic,
}
