"""A package's names are there without its modules having been loaded with it."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = [f"onyx_pipelines.sources.{name}" for name in ("postgres", "qdrant", "volumes")]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_that_a_package_offers_is_there(package: str) -> None:
    module = import_module(package)

    assert module.__all__
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_there_is_not_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"{package}.*no_such_name"):
        import_module(package).no_such_name  # noqa: B018  (asking for it is the test)


def test_no_client_is_loaded_with_a_package() -> None:
    script = f"import {', '.join(PACKAGES)}, sys; print(sorted(sys.modules))"

    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    ).stdout

    assert "'onyx_pipelines.sources.qdrant'" in loaded
    assert "'httpx'" not in loaded
    assert "'psycopg'" not in loaded
