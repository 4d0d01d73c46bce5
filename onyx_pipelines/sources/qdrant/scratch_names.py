"""The names under which drills and restores make collections that are deleted again.

Nothing else knows them: a backup of every collection leaves these out.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

_PREFIX: Final = "onyx-restore-"
_SCRATCH: Final = re.compile(rf"{_PREFIX}[0-9a-f]{{12}}")


def new_scratch_name() -> str:
    """That no other collection has."""
    return f"{_PREFIX}{secrets.token_hex(6)}"


def is_scratch(collection: str) -> bool:
    """Somebody's own `onyx-restore-notes` is none."""
    return _SCRATCH.fullmatch(collection) is not None
