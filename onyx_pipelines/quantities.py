"""Numbers in words for people."""

from __future__ import annotations

from typing import Final

# One meaning everywhere: a GB has 10^9 bytes, as disks are sold. 2^30 are a GiB.
BYTES_PER_GB: Final = 10**9


def human_bytes(count: int) -> str:
    """1536 → "1.5 kB" (powers of 1000, as disks are sold)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
