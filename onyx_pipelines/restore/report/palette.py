"""Colours by what they mean, for light and dark. Blue steps are recovery, orange is proof."""

from __future__ import annotations

from onyx_pipelines.restore.results import Step
from onyx_pipelines.restore.verdict import Verdict

LIGHT = {
    "page": "#f4f6f8",
    "surface": "#ffffff",
    "ink": "#17202a",
    "muted": "#566270",
    "line": "#d5dbe2",
    "band": "#eef1f5",
    "passed": "#14713f",
    "failed": "#b3202a",
    "could-not-verify": "#8a5a00",
    "passed-tint": "#e6f4ec",
    "failed-tint": "#fcebec",
    "could-not-verify-tint": "#fdf3dc",
    "prepare": "#8793a1",
    "fetch": "#58a6e8",
    "restore": "#1f4e9c",
    "compare": "#e0912f",
    "clean-up": "#c3cad3",
}
DARK = {
    "page": "#0e1217",
    "surface": "#171d24",
    "ink": "#e7ebf0",
    "muted": "#a3afbd",
    "line": "#323c48",
    "band": "#1e262f",
    "passed": "#4cc38a",
    "failed": "#ff7b81",
    "could-not-verify": "#e9b44c",
    "passed-tint": "#12301f",
    "failed-tint": "#3d161a",
    "could-not-verify-tint": "#362a0e",
    "prepare": "#76828f",
    "fetch": "#8cc8fa",
    "restore": "#4a86e0",
    "compare": "#eda64b",
    "clean-up": "#4b5663",
}


def variable(role: str) -> str:
    """The CSS variable of a role."""
    return f"--{role}"


def step_role(step: Step) -> str:
    return step.value.replace("_", "-")


def verdict_role(verdict: Verdict) -> str:
    return verdict.value.replace("_", "-")
