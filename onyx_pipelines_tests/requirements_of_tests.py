"""Programs that tests need besides Python packages: CI installs them, a developer may lack them."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def program(*names: str) -> str:
    """The first one that there is. In CI the test fails without it, elsewhere it is skipped."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    return found or unavailable(f"{names[0]} is not installed (Debian has it)")


def unavailable(what: str) -> NoReturn:
    """Skip this test, but fail it in CI, where nothing is skipped."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
