"""A verdict and the evidence for it in one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from onyx_pipelines.core.text import printable, shortened
from onyx_pipelines.core.verdict import Verdict

_LONGEST = 400


@dataclass(frozen=True)
class Judgement:
    """Of one item's facts. `until`: the verdict holds no longer than that, whatever the item says.

    None: as the item says.
    """

    verdict: Verdict
    found: str
    until: datetime | None = None


def passed(found: str, until: datetime | None = None) -> Judgement:
    """It is as it has to be."""
    return Judgement(Verdict.PASSED, _line(found), until)


def failed(found: str) -> Judgement:
    """It is not."""
    return Judgement(Verdict.FAILED, _line(found))


def unknown(found: str) -> Judgement:
    """Nobody can say; what to do about it stands there too."""
    return Judgement(Verdict.COULD_NOT_VERIFY, _line(found))


def either(holds: bool, found: str, otherwise: str = "") -> Judgement:
    """Passed if it holds."""
    return passed(found) if holds else failed(otherwise or found)


def _line(text: str) -> str:
    return shortened(printable(" ".join(text.split())), _LONGEST)
