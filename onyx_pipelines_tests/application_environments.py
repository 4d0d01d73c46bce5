"""Environments of applications of others, made once and kept for whichever test wants one.

They are in ONYX_TEST_CACHE (default: ~/.cache/onyx-pipelines), outside of the repository, and made
from the lock files in `data/application_locks` and, where the sandbox has it too, from the
sandbox's.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from onyx_pipelines.sandbox.errors import bugsink_environment
from onyx_pipelines.sandbox.locked_environment import is_made, make_environment

# Read before the tests hide what the shell has set.
CACHE: Final = Path(os.environ.get("ONYX_TEST_CACHE") or Path.home() / ".cache/onyx-pipelines")
_ARE_WANTED: Final = bool(os.environ.get("ONYX_TEST_APPLICATIONS"))
_LOCKS: Final = Path(__file__).parent / "data" / "application_locks"


def environment_of(name: str) -> Path:
    """Made if need be; one process at a time."""
    directory = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.making").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        make_environment(directory, _lock(name))
    return directory


def is_to_be_had(name: str) -> bool:
    """Whether it is there, or may be made."""
    return _ARE_WANTED or is_made(CACHE / name, _lock(name))


def _lock(name: str) -> str:
    if name == "bugsink":
        return bugsink_environment.lock()
    return (_LOCKS / f"{name}.lock").read_text(encoding="utf-8")
