"""One engine restores and drills: an item is staged, compared, and takes its place or is discarded.

An item is a database, a collection or a volume, and knows only how that is done with it. Whether it
is done, what is skipped and what is said of it is decided here. A drill is the same without `swap`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from pydantic import JsonValue

from onyx_pipelines.restore.journal import (
    Finished,
    RestoreJournal,
    despite_differences,
    has_failed,
    still_the_same,
)
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.source import Component

IN_PLACE: Final = "in place"
Placed: TypeAlias = Mapping[str, JsonValue]
# Keeps in the journal what tells an item in its place from another of its name.
Note: TypeAlias = Callable[[Placed], None]


class StagedItem(Protocol):
    """Something of a set that is made where it disturbs nobody, and thrown away again."""

    def stage(self) -> None:
        """Make it beside what is there."""

    def compare(self) -> Sequence[Finding]:
        """What was made with what the set says that it was."""

    def discard(self) -> None:
        """Take away what was made and is not in its place; also where nothing was made."""


class Item(StagedItem, Protocol):
    """One that can take its place. `place` names that for a person: "database app"."""

    component: Component

    @property
    def name(self) -> str: ...

    @property
    def place(self) -> str: ...

    def is_there(self, placed: Placed) -> bool:
        """Whether what an earlier call put in place is there still."""

    def compare_in_place(self, placed: Placed) -> Sequence[Finding]:
        """That with what the set says that it was."""

    def swap(self, note: Note) -> Sequence[Finding]:
        """Put in place what was staged; the first finding says so.

        Where it can be known again in its place, `note` is called before: so the journal is true
        from that instant.
        """

    def complete(self) -> Sequence[Finding]:
        """What can be done in its place only; after a kill once more."""


def drilled(item: StagedItem) -> Sequence[Finding]:
    """What a drill finds. Raises as the item does, which is discarded all the same."""
    try:
        item.stage()
        return item.compare()
    finally:
        item.discard()


def in_place_since(journal: RestoreJournal, item: Item) -> Finished | None:
    """What an earlier call put in place, if it is there still."""
    earlier = journal.finished(item.component, item.name)
    return earlier if earlier is not None and item.is_there(earlier.placed) else None


class Restoring:
    """Restores one item after the other.

    `findings`: of all. `in_place`: names of those that are. `unfinished`: what the same call tries
    again.
    """

    def __init__(self, journal: RestoreJournal) -> None:
        self._journal = journal
        self.findings: list[Finding] = []
        self.in_place: list[str] = []
        self.unfinished: list[str] = []

    def run(self, item: Item) -> None:
        """Into its place, unless it differs, or has been there since an earlier call.

        Raises:
            OnyxError: as the item does; what was there is there, unless the text says more.
        """
        earlier = in_place_since(self._journal, item)
        if earlier is not None:
            again = still_the_same(earlier, item.compare_in_place(earlier.placed))
            self.findings += [*again, *item.complete()]
            if not has_failed(again):
                self.in_place.append(item.name)
            return
        try:
            item.stage()
            findings = item.compare()
            if self._journal.lets_pass(findings):
                self.findings += [*self._swapped(item, findings), *item.complete()]
                self.in_place.append(item.name)
            else:
                said = f"Not put in place: {item.place}; what was there is as it was."
                self.leave(item.name, *findings, outcome(Verdict.FAILED, item.name, said))
        finally:
            item.discard()

    def leave(self, name: str, *findings: Finding) -> None:
        """It is not in its place, because of these."""
        self.findings += findings
        self.unfinished.append(name)

    def _swapped(self, item: Item, compared: Sequence[Finding]) -> Sequence[Finding]:
        findings = [*compared, *despite_differences(item.name, compared)]
        noted: dict[str, JsonValue] = {}

        def note(placed: Placed) -> None:
            noted.update(placed)
            said = outcome(Verdict.PASSED, item.name, f"Put in place: {item.place}.")
            self._journal.add(item.component, item.name, [*findings, said], placed=noted)

        findings += item.swap(note)
        self._journal.add(item.component, item.name, findings, placed=noted)
        return findings


def outcome(verdict: Verdict, name: str, message: str) -> Finding:
    """Whether an item is in its place."""
    return Finding(verdict=verdict, item=name, aspect=IN_PLACE, message=message)
