"""What a thread does beside one's own work: in order, bounded, and no error gets lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from onyx_pipelines.threads import Behind, ahead

WAIT_S = 60.0


class Broken(Exception):  # noqa: N818  (what it is)
    """Planted."""


def test_the_pieces_come_in_their_order() -> None:
    assert list(ahead(iter(range(50)), 3, "test")) == list(range(50))
    assert list(ahead(iter(()), 3, "test")) == []


def test_no_more_pieces_are_made_than_it_may_be_ahead() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    with closing(ahead(numbers(), 3, "test")) as pieces:
        taken = [next(pieces) for _ in range(4)]

    assert taken == [0, 1, 2, 3]
    assert len(made) <= 4 + 3


def test_an_error_comes_where_the_piece_would_have_come() -> None:
    def numbers() -> Iterator[int]:
        yield from (1, 2)
        raise Broken

    pieces = ahead(numbers(), 3, "test")

    assert [next(pieces), next(pieces)] == [1, 2]
    with pytest.raises(Broken):
        next(pieces)


def test_who_stops_early_does_not_wait_and_the_source_is_closed_when_it_can_be() -> None:
    begun, may_go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def numbers() -> Iterator[int]:
        try:
            yield 1
            begun.set()
            may_go_on.wait(WAIT_S)
            yield 2
        finally:
            closed.set()

    with closing(ahead(numbers(), 3, "test")) as pieces:
        assert next(pieces) == 1
        begun.wait(WAIT_S)

    assert not closed.is_set()
    may_go_on.set()
    assert closed.wait(WAIT_S)


def test_calls_are_made_in_their_order_and_all_of_them() -> None:
    done: list[int] = []
    behind = Behind(2, "test")

    for number in range(50):
        behind.do(done.append, number)
    behind.settle()
    behind.end()

    assert done == list(range(50))


def test_who_is_too_far_ahead_waits() -> None:
    may_go_on = threading.Event()
    behind = Behind(2, "test")
    asked: list[int] = []

    def ask() -> None:
        for number in range(3):
            behind.do(lambda _: may_go_on.wait(WAIT_S) and None, number)
            asked.append(number)

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(0.2)

    assert asked == [0, 1]
    may_go_on.set()
    asking.join(WAIT_S)
    behind.end()
    assert asked == [0, 1, 2]


def test_what_a_call_raises_is_raised_at_the_latest_when_all_is_settled() -> None:
    def fail(_: int) -> None:
        raise Broken

    behind = Behind(2, "test")
    behind.do(fail, 1)

    with pytest.raises(Broken):
        behind.settle()
    behind.end()


def test_at_the_end_what_was_not_begun_is_dropped() -> None:
    begun, may_go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def first(_: str) -> None:
        begun.set()
        may_go_on.wait(WAIT_S)

    behind = Behind(4, "test")
    behind.do(first, "first")
    behind.do(done.append, "second")
    begun.wait(WAIT_S)
    threading.Timer(0.1, may_go_on.set).start()
    behind.end()

    assert done == []
