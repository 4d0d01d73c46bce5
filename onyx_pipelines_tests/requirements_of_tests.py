"""Programs that tests need besides Python packages: CI installs them, a developer may lack them."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

from onyx_pipelines.sources.postgres.binaries import SERVER_PROGRAMS, find_binaries


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


def postgres_library(name: str) -> None:
    """One that the PostgreSQL server of the tests can load."""
    prefix = find_binaries(0, programs=SERVER_PROGRAMS).bindir.parent
    if not (prefix / "lib" / f"{name}.so").exists():
        unavailable(f"{name} is not installed for that PostgreSQL (Debian has it)")
