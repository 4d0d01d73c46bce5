"""Colours by what they mean, for light and dark. Each one is there once: charts are drawn in the
light ones and name their role by the colour."""

from __future__ import annotations

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
    "inconclusive": "#8a5a01",
    "inconclusive-tint": "#fdf3dd",
    "invalid": "#5b3a8c",
    "invalid-tint": "#f0eafa",
    "series-1": "#1f4e9d",
    "series-2": "#e0912e",
    "series-3": "#2f8f5b",
    "series-4": "#b0478f",
    "series-5": "#58a6e9",
    "series-6": "#8a6d3b",
    "series-7": "#6b5bb5",
    "series-8": "#c3cad4",
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
    "inconclusive": "#e9b44d",
    "inconclusive-tint": "#362a0f",
    "invalid": "#b79ae8",
    "invalid-tint": "#281d3d",
    "series-1": "#4a86e1",
    "series-2": "#eda64c",
    "series-3": "#5cc48d",
    "series-4": "#dd83bf",
    "series-5": "#8cc8fb",
    "series-6": "#c4a574",
    "series-7": "#a596e6",
    "series-8": "#4b5664",
}


def variable(role: str) -> str:
    """The CSS variable of a role."""
    return f"--{role}"
