"""The most memory that this process ever had resident."""

from __future__ import annotations

import re
from pathlib import Path


def peak_bytes() -> int:
    """VmHWM as the kernel counts it (proc(5)); ru_maxrss would be inherited from a parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
