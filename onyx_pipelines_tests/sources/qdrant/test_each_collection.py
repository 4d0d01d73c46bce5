"""One that fails does not stop the others; a server that has gone stops all."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.qdrant.each_collection import Taken, take_each
from onyx_pipelines.sources.qdrant.journal import JournalError

ALL = ("a", "b", "c")


def error(what: str = "HTTP 400.", *, transient: bool = False) -> SourceError:
    return SourceError(what, remedy="Do something.", transient=transient)


class Server:
    """Takes a collection as often as it is not told to fail it."""

    def __init__(self, failures: dict[str, list[Exception]]) -> None:
        self.failures = failures
        self.asked: list[str] = []
        self.names: Callable[[], list[str]] = lambda: list(ALL)

    def take(self, name: str) -> str:
        self.asked.append(name)
        if self.failures.get(name):
            raise self.failures[name].pop(0)
        return name.upper()

    def take_each(self) -> Taken[str]:
        return take_each(ALL, self.take, self.names)


def test_the_others_are_taken_and_the_reason_is_kept() -> None:
    taken = Server({"a": [error("HTTP 400 no.")]}).take_each()

    assert taken.done == ("B", "C")
    assert {name: str(why) for name, why in taken.missing.items()} == {
        "a": "HTTP 400 no. Do something."
    }


def test_what_may_pass_is_tried_once_more_at_the_end() -> None:
    server = Server({"a": [error(transient=True)], "b": [error(transient=True)] * 2})

    taken = server.take_each()

    assert server.asked == ["a", "b", "c", "a", "b"]
    assert (taken.done, list(taken.missing)) == (("C", "A"), ["b"])


def test_what_needs_a_person_is_not_tried_again() -> None:
    server = Server({"b": [error()]})

    server.take_each()

    assert server.asked == ["a", "b", "c"]


def test_one_that_was_dropped_meanwhile_is_not_missing() -> None:
    server = Server({"b": [error("HTTP 404.")]})
    server.names = lambda: ["a", "c"]

    taken = server.take_each()

    assert (taken.done, taken.missing, taken.vanished) == (("A", "C"), {}, ("b",))


def test_where_all_were_dropped_nothing_is_missing() -> None:
    server = Server({name: [error()] for name in ALL})
    server.names = list

    assert server.take_each().vanished == ALL


def test_a_server_that_has_gone_is_the_fault_of_no_collection() -> None:
    def gone() -> list[str]:
        raise error("Connection refused.", transient=True)

    server = Server({"b": [error("Connection lost.", transient=True)]})
    server.names = gone

    with pytest.raises(SourceError, match="refused") as caught:
        server.take_each()

    assert caught.value.transient
    assert server.asked == ["a", "b"]


def test_where_none_can_be_taken_all_are_named_and_it_is_tried_again_if_one_may_pass() -> None:
    server = Server({"a": [error("HTTP 400.")], "b": [error(transient=True)], "c": [error()]})

    with pytest.raises(SourceError, match=r"HTTP 400\..*b, c") as caught:
        server.take_each()

    assert caught.value.transient
    assert server.asked == ["a", "b", "c"]


def test_a_journal_that_cannot_be_written_is_the_fault_of_no_collection() -> None:
    broken = JournalError("The journal cannot be used.", remedy="Make it writable.")

    with pytest.raises(JournalError):
        Server({"b": [broken]}).take_each()
