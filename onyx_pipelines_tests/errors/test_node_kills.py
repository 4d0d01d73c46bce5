"""The front end and its tracker are killed, again and again: what was kept arrives once."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from onyx_pipelines.sandbox.ports import free_port
from onyx_pipelines_tests.errors.node_service import NodeService, node_service
from onyx_pipelines_tests.examples import random_examples
from onyx_pipelines_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.thorough]
_KEPT_IN_A_LIFE: Final = 50


@contextmanager
def tracker(port: int, file: Path) -> Iterator[None]:
    """Killed at the end of the block; it forgets none of what it took."""
    command = [sys.executable, "-m", "onyx_pipelines_tests.errors.fake_tracker", str(port), file]
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


def kept_in_a_life(service: NodeService) -> list[str]:
    service.tell("captureWithoutPause")
    return [str(service.said()["kept"]) for _ in range(_KEPT_IN_A_LIFE)]


def test_kills_of_the_service_and_of_the_tracker_lose_none_and_double_none(tmp_path: Path) -> None:
    port, taken, spool = free_port(), tmp_path / "taken", tmp_path / "spool"
    taken.touch()
    dsn = f"http://public@127.0.0.1:{port}/7"
    kept: list[str] = []

    for _ in range(random_examples(3, at_night=50)):
        before = len(taken.read_text().split())
        with tracker(port, taken):
            with node_service(dsn, spool) as service:
                kept += kept_in_a_life(service)
                wait_until(lambda: len(taken.read_text().split()) > before, "some are delivered")  # noqa: B023  (used up in the round)
            # The tracker is killed while the successor sends.
            with node_service(dsn, spool) as service:
                kept += kept_in_a_life(service)
        with node_service(dsn, spool) as service:
            kept += kept_in_a_life(service)
    with tracker(port, taken), node_service(dsn, spool) as service:
        assert service.flush(60_000)

    arrived = Counter(taken.read_text().split())
    assert set(kept) <= set(arrived)
    assert set(arrived.values()) == {1}
