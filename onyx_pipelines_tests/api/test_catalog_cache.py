"""How old the answers of reading endpoints may be."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.core.errors import StoreError
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def ids(cache: CatalogCache) -> list[str]:
    return [row.backup_id for row in cache.rows()]


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        threading.Event().wait(0.01)
    raise TimeoutError


def test_within_seconds_the_stores_are_not_asked_again(volume_host: HostUnderTest) -> None:
    clock = Clock()
    cache = CatalogCache(volume_host.settings, clock)
    assert ids(cache) == []
    volume_host.run()
    clock.now += 3

    assert ids(cache) == []


def test_after_seconds_the_old_answer_is_given_while_a_thread_looks(
    volume_host: HostUnderTest,
) -> None:
    clock = Clock()
    cache = CatalogCache(volume_host.settings, clock)
    cache.rows()
    backup_id = volume_host.run().backup_id
    clock.now += 10

    assert ids(cache) == []
    wait_for(lambda: ids(cache) == [backup_id])


def test_after_a_while_nobody_is_given_the_old_answer(volume_host: HostUnderTest) -> None:
    clock = Clock()
    cache = CatalogCache(volume_host.settings, clock)
    cache.rows()
    backup_id = volume_host.run().backup_id
    clock.now += 60

    assert ids(cache) == [backup_id]


def test_a_change_of_our_own_is_seen_at_once(volume_host: HostUnderTest) -> None:
    cache = CatalogCache(volume_host.settings)
    cache.rows()
    backup_id = volume_host.run().backup_id
    cache.forget()

    assert ids(cache) == [backup_id]


def test_a_store_that_is_gone_is_an_error_and_not_the_old_answer(
    volume_host: HostUnderTest,
) -> None:
    clock = Clock()
    cache = CatalogCache(volume_host.settings, clock)
    volume_host.run()
    cache.rows()
    volume_host.backups.rename(volume_host.root / "unmounted")
    clock.now += 60

    with pytest.raises(StoreError):
        cache.rows()
