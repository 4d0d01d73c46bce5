"""Programs that tests need besides Python packages: CI installs them, a developer may lack them."""

from __future__ import annotations

import os
import shutil

import pytest


def program(*names: str) -> str:
    """The first one that there is. In CI the test fails without it, elsewhere it is skipped."""
    for name in names:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if found:
            return found
    text = f"{names[0]} is not installed (Debian has it)"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
