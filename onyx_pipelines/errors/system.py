"""What an event says of the process that failed: who it is, and how much of the machine it uses."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_CONTAINER: Final = re.compile(r"/(?:docker/)?containers/([0-9a-f]{64})/", re.ASCII)
_MOUNTS: Final = Path("/proc/self/mountinfo")
_STATM: Final = Path("/proc/self/statm")
_LONG_ENOUGH_S: Final = 1.0


def container_id() -> str:
    """The first twelve digits, as engines show them; "" outside of a container."""
    try:
        found = _CONTAINER.search(_MOUNTS.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""
    return found.group(1)[:12] if found else ""


def memory_mb() -> float:
    """Resident, in 10^6 bytes; 0 where the system does not say."""
    try:
        pages = int(_STATM.read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return round(pages * os.sysconf("SC_PAGESIZE") / 1e6, 1)


class Usage:
    """Of the machine by this process. Looked at again when the last look was long enough ago, as
    errors come by the hundred."""

    def __init__(self) -> None:
        self._at, self._used_s = time.monotonic(), time.process_time()
        self._memory_mb, self._cpu_percent = memory_mb(), 0.0

    def now(self) -> tuple[float, float]:
        """Resident memory in 10^6 bytes; the share of one core since the look before, in
        percent."""
        now, used_s = time.monotonic(), time.process_time()
        if now - self._at >= _LONG_ENOUGH_S:
            self._memory_mb = memory_mb()
            self._cpu_percent = round(100 * (used_s - self._used_s) / (now - self._at), 1)
            self._at, self._used_s = now, used_s
        return self._memory_mb, self._cpu_percent


@dataclass
class System:
    """Of this process. `version`: of the service."""

    service: str
    version: str

    def __post_init__(self) -> None:
        self._container_id = container_id()
        self._usage = Usage()

    def context(self) -> dict[str, Any]:
        """The specification's `system_context`."""
        memory, cpu = self._usage.now()
        return {
            "service_name": self.service,
            "version": self.version,
            "container_id": self._container_id,
            "memory_usage_mb": memory,
            "cpu_usage_percent": cpu,
        }
