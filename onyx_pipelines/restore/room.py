"""How much space scratch has."""

from __future__ import annotations

import os
from pathlib import Path


def free_bytes(directory: Path) -> int:
    """What this user may still write to its file system. Raises OSError."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize
