"""What is costly to look at is shown while it is looked at again; a failure is not passed off."""

from __future__ import annotations

import pytest

from onyx_pipelines.core.refreshed import Refreshed
from onyx_pipelines_tests.waiting import wait_until


class Watched:
    """Counts the looks; fails on demand."""

    def __init__(self) -> None:
        self.now, self.looks = 0.0, 0
        self.failure: Exception | None = None
        self.refreshed = Refreshed(self.look, lambda: self.now, fresh_s=5, shown_s=30)

    def look(self) -> int:
        self.looks += 1
        if self.failure is not None:
            raise self.failure
        return self.looks


def test_what_is_fresh_is_not_looked_at_again() -> None:
    watched = Watched()

    assert [watched.refreshed.value() for _ in range(3)] == [1, 1, 1]


def test_what_is_a_little_old_is_given_while_somebody_looks_again() -> None:
    watched = Watched()
    watched.refreshed.value()
    watched.now = 10

    assert watched.refreshed.value() == 1
    wait_until(lambda: watched.looks == 2, "it is looked at again")


def test_whatever_a_look_in_the_background_raises_is_told_to_who_asks_when_it_is_too_old() -> None:
    watched = Watched()
    watched.refreshed.value()
    watched.failure = PermissionError("not for you")
    watched.now = 10

    assert watched.refreshed.value() == 1
    wait_until(lambda: watched.looks == 2, "it is looked at again")
    watched.now = 60
    with pytest.raises(PermissionError, match="not for you"):
        watched.refreshed.value()
