"""The benchmark's table says what was met; its figures are for `make bench`."""

from __future__ import annotations

import pytest

from bench.table import Line, show


@pytest.mark.parametrize(
    ("value", "at_least", "verdict"),
    [(0.4, False, "met"), (0.5, False, "met"), (0.6, False, "MISSED"), (0.4, True, "MISSED")],
)
def test_a_line_says_whether_its_target_was_met(value: float, at_least: bool, verdict: str) -> None:
    assert Line("a", value, 0.5, "x", "", at_least=at_least).verdict == verdict


def test_a_line_without_a_target_has_no_verdict() -> None:
    assert Line("a", 1.0, None, "s", "").verdict == ""


def test_the_table_has_a_row_for_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    show([Line("first", 1.0, 2.0, "s", ""), Line("second", 3.0, 2.0, "s", "")])

    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 4
    assert "MISSED" in rows[3]
