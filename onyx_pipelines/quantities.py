"""Numbers in words for people."""

from __future__ import annotations


def human_bytes(count: int) -> str:
    """1536 → "1.5 kB" (powers of 1000, as disks are sold)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
