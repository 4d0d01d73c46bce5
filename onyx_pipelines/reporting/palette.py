"""Colours by what they mean, for light and dark. Each one is there once: charts are drawn in the
light ones and name their role by the colour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from onyx_pipelines.core.text import NOTHING

_ROLES = {
    "page": ("#f4f6f8", "#0e1217"),
    "surface": ("#ffffff", "#171d24"),
    "ink": ("#17202a", "#e7ebf0"),
    "muted": ("#566270", "#a3afbd"),
    "line": ("#d5dbe2", "#323c48"),
    "band": ("#eef1f5", "#1e262f"),
    "passed": ("#14713f", "#4cc38a"),
    "passed-tint": ("#e6f4ec", "#12301f"),
    "failed": ("#b3202a", "#ff7b81"),
    "failed-tint": ("#fcebec", "#3d161a"),
    "could-not-verify": ("#8a5a00", "#e9b44c"),
    "could-not-verify-tint": ("#fdf3dc", "#362a0e"),
    "inconclusive": ("#8a5a01", "#e9b44d"),
    "inconclusive-tint": ("#fdf3dd", "#362a0f"),
    "degraded": ("#8a5a02", "#e9b44e"),
    "degraded-tint": ("#fdf3de", "#362a10"),
    "invalid": ("#5b3a8c", "#b79ae8"),
    "invalid-tint": ("#f0eafa", "#281d3d"),
    "prepare": ("#8793a1", "#76828f"),
    "fetch": ("#58a6e8", "#8cc8fa"),
    "restore": ("#1f4e9c", "#4a86e0"),
    "compare": ("#e0912f", "#eda64b"),
    "clean-up": ("#c3cad3", "#4b5663"),
    "series-1": ("#1f4e9d", "#4a86e1"),
    "series-2": ("#e0912e", "#eda64c"),
    "series-3": ("#2f8f5b", "#5cc48d"),
    "series-4": ("#b0478f", "#dd83bf"),
    "series-5": ("#58a6e9", "#8cc8fb"),
    "series-6": ("#8a6d3b", "#c4a574"),
    "series-7": ("#6b5bb5", "#a596e6"),
    "series-8": ("#c3cad4", "#4b5664"),
}
LIGHT = {role: light for role, (light, _) in _ROLES.items()}
DARK = {role: dark for role, (_, dark) in _ROLES.items()}


def role(meaning: StrEnum) -> str:
    """The role of a verdict or a step, and the class of its elements in a page."""
    return meaning.value.replace("_", "-")


# A shape for each verdict: colour alone tells nothing on a grey print or to one man in twelve.
_SIGNS = {
    "passed": "✓",
    "failed": "✕",
    "could-not-verify": "?",
    "inconclusive": "?",
    "degraded": "!",
    "invalid": "!",
    "muted": NOTHING,
}


@dataclass(frozen=True)
class Badge:
    """A verdict: sign and word; the colour of its role only repeats them."""

    role: str
    sign: str
    word: str

    def __str__(self) -> str:
        return f"{self.sign} {self.word}"


def badge(of: str, word: str) -> Badge:
    """With the sign that the role always has."""
    return Badge(of, _SIGNS[of], word)
