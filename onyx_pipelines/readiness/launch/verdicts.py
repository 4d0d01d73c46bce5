"""What came of each item, and what that makes of the whole. Pure.

What could not be verified is not a yes: a blocking item without a pass keeps everybody waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from onyx_pipelines.core.text import count_text, list_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.readiness.launch.checklist import Checklist, Item, Section

__all__ = ["Facts", "ItemResult", "LaunchReview", "Progress", "Verdict"]

Seen = Mapping[str, JsonValue]
# The key of facts that could not be had: why, and what to do about it.
UNABLE = "unable"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Facts(_Told):
    """What was looked at, as data that another machine can judge again. No secret is in it.

    Args:
        at: when.
        seen: what there was; with `UNABLE` alone, why nothing could be seen.
    """

    at: AwareDatetime
    seen: dict[str, JsonValue] = Field(default_factory=dict)

    @classmethod
    def unable(cls, at: AwareDatetime, why: str) -> Facts:
        """It could not be looked at."""
        return cls(at=at, seen={UNABLE: why})


class ItemResult(_Told):
    """Of one item.

    Args:
        found: the evidence in one line.
        at: when it was looked at.
        expires_at: from then on it says nothing; None: never.
        evidence: the facts that it was judged by.
    """

    item_id: str
    verdict: Verdict
    found: str
    at: AwareDatetime
    expires_at: AwareDatetime | None = None
    evidence: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def facts(self) -> Facts:
        """To be judged again."""
        return Facts(at=self.at, seen=self.evidence)


@dataclass(frozen=True)
class Progress:
    """How many items of a section, or of all, are how."""

    passed: int = 0
    failed: int = 0
    could_not_verify: int = 0

    @property
    def all(self) -> int:
        """Of them."""
        return self.passed + self.failed + self.could_not_verify

    @property
    def sentence(self) -> str:
        """Such as "3 of 5 items passed, 1 failed, 1 could not be verified"."""
        said = [f"{self.passed} of {count_text(self.all, 'item')} passed"]
        said += [f"{self.failed} failed"] * bool(self.failed)
        said += [f"{self.could_not_verify} could not be verified"] * bool(self.could_not_verify)
        return ", ".join(said)


class LaunchReview(_Told):
    """Of one moment. Which items there are, the checklist says: one without a result has not
    passed.

    Args:
        stack: its name; empty: the only one.
        commit: of what is to go live; empty: it is not known.
    """

    at: AwareDatetime
    stack: str = ""
    commit: str = ""
    results: tuple[ItemResult, ...]

    def result(self, item: Item) -> ItemResult:
        """Of an item; one that nobody looked at could not be verified."""
        found = next((each for each in self.results if each.item_id == item.id), None)
        return found or ItemResult(
            item_id=item.id,
            verdict=Verdict.COULD_NOT_VERIFY,
            found="It was not looked at.",
            at=self.at,
        )

    def of(self, section: Section) -> list[tuple[Item, ItemResult]]:
        """Its items in their order, each with what came of it."""
        return [(item, self.result(item)) for item in section.items]

    def progress(self, section: Section) -> Progress:
        """Of a section."""
        return _progress(self.of(section))

    def whole(self, asked: Checklist) -> Progress:
        """Of all sections."""
        return _progress([pair for section in asked.sections for pair in self.of(section)])

    def blockers(self, asked: Checklist) -> list[tuple[Item, ItemResult]]:
        """What keeps everybody waiting: first what failed, then what could not be verified."""
        found = [
            (item, result)
            for item in asked.items
            if item.blocks and (result := self.result(item)).verdict is not Verdict.PASSED
        ]
        return sorted(found, key=lambda pair: pair[1].verdict is not Verdict.FAILED)

    def is_ready(self, asked: Checklist) -> bool:
        """Whether every item that blocks has passed."""
        return not self.blockers(asked)

    def verdict(self, asked: Checklist) -> Verdict:
        """FAILED: something that blocks failed; COULD_NOT_VERIFY: nothing did, and something that
        blocks could not be verified."""
        blockers = self.blockers(asked)
        return blockers[0][1].verdict if blockers else Verdict.PASSED

    def gist(self, asked: Checklist) -> str:
        """What keeps everybody waiting, by name: the same for as long as that does not change."""
        blockers = self.blockers(asked)
        if not blockers:
            return "Nothing blocks the launch."
        said = []
        for verdict, word in _WORDS.items():
            if named := [item.id for item, result in blockers if result.verdict is verdict]:
                said.append(f"{word}: {list_text(named)}")
        return f"Not ready. {'; '.join(said)}."


_WORDS = {Verdict.FAILED: "failed", Verdict.COULD_NOT_VERIFY: "could not be verified"}


def _progress(pairs: Sequence[tuple[Item, ItemResult]]) -> Progress:
    verdicts = [result.verdict for _, result in pairs]
    return Progress(
        passed=verdicts.count(Verdict.PASSED),
        failed=verdicts.count(Verdict.FAILED),
        could_not_verify=verdicts.count(Verdict.COULD_NOT_VERIFY),
    )
