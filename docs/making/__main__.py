"""Writes every generated page: `python -m docs.making`."""

from __future__ import annotations

from docs.making.pages import GENERATED

for path, text in GENERATED.items():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(), encoding="utf-8")
