from __future__ import annotations

from collections.abc import Iterator

import pytest

from onyx_pipelines.load_test.k6.binary import K6, find_k6
from onyx_pipelines_tests.load_test.small_target import SmallTarget, small_target


@pytest.fixture
def small() -> Iterator[SmallTarget]:
    """A real HTTP server whose behaviour a test sets."""
    with small_target() as target:
        yield target


@pytest.fixture(scope="session")
def k6() -> K6:
    return find_k6()
