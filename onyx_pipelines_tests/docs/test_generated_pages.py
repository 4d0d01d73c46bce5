"""Pages that are written from the code say what the code is."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.making.pages import GENERATED


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_the_page_is_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path](), "run `make docs`"
