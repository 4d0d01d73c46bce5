"""Is a restored collection as fast as before? Its data answers before its index is built again.

A server indexes by itself, but after a restart it waits for any change: it is given one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Final

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.text import count_text, number_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.qdrant.server import IndexState, TargetQdrant
from onyx_pipelines.restore.results import Finding, Indexing
from onyx_pipelines.sources.qdrant.facts import CollectionFacts

_POLL_S: Final = 1.0
_ASPECT: Final = "index"
_GOING_ON: Final = {
    "yellow": "the server goes on indexing",
    "grey": "the server was told to index it, and has not begun",
}


class IndexWatch:
    """How far the restored collections are indexed.

    Args:
        restored: what each was, by its name on the server.
    """

    def __init__(self, server: TargetQdrant, restored: Mapping[str, CollectionFacts]) -> None:
        self._server = server
        self._restored = restored
        self._states: dict[str, IndexState] = {}
        self._started: set[str] = set()
        self._errors: dict[str, SourceError] = {}

    def wait(self, wait_s: float) -> None:
        """Look, start what waits for a change, and look again until all is as before or red."""
        deadline = time.monotonic() + wait_s
        going_on = list(self._restored)
        while True:
            for name in going_on:
                self._look_at(name)
            going_on = [name for name in going_on if not self._is_settled(name)]
            left_s = deadline - time.monotonic()
            if not going_on or left_s <= 0:
                return
            time.sleep(min(_POLL_S, left_s))

    def found(self) -> tuple[Indexing, ...]:
        return tuple(self._indexing(name) for name in self._states)

    def is_as_before(self) -> bool:
        """False where there is nothing to be so."""
        states = self.found()
        return bool(states) and not self._errors and all(each.is_as_before for each in states)

    def findings(self) -> Iterator[Finding]:
        """A server that cannot index does not come to be as fast as before: that is no pass."""
        for name, state in self._states.items():
            found = self._indexing(name)
            if state.status == "red":
                said = f"the data is there, but the server fails to index it: {state.problem}"
                yield _finding(Verdict.COULD_NOT_VERIFY, found.item, said)
            elif name not in self._errors:
                yield _finding(Verdict.PASSED, found.item, _seen(found), limits=_left(found))
        for name, error in self._errors.items():
            said = f"{error.what} {error.remedy}"
            yield _finding(Verdict.COULD_NOT_VERIFY, self._restored[name].collection, said)

    def _look_at(self, name: str) -> None:
        try:
            state = self._states[name] = self._server.indexing(name)
            if state.status == "grey" and name not in self._started:
                self._server.start_optimizer(name)
                self._started.add(name)
                self._states[name] = self._server.indexing(name)
        except SourceError as error:
            self._errors[name] = error
            self._states.setdefault(name, IndexState("not known", 0))

    def _is_settled(self, name: str) -> bool:
        if name in self._errors:
            return True
        return self._states[name].status == "red" or self._indexing(name).is_as_before

    def _indexing(self, name: str) -> Indexing:
        state, facts = self._states[name], self._restored[name]
        return Indexing(
            item=facts.collection,
            status=state.status,
            indexed_vectors=state.indexed_vectors,
            indexed_before=facts.indexed_vectors,
        )


def _seen(indexing: Indexing) -> str:
    """`48,000 vectors indexed, 150,000 before: yellow`."""
    before = indexing.indexed_before
    of_before = "" if before is None else f", {number_text(before)} before"
    return f"{count_text(indexing.indexed_vectors, 'vector')} indexed{of_before}: {indexing.status}"


def _left(indexing: Indexing) -> str:
    if indexing.is_as_before:
        return ""
    what = _GOING_ON.get(indexing.status, "what the server does is not known")
    return f"not yet as fast as before: {_seen(indexing)}; {what}"


def _finding(verdict: Verdict, item: str, message: str, *, limits: str = "") -> Finding:
    return Finding(verdict=verdict, item=item, aspect=_ASPECT, message=message, limits=limits)
