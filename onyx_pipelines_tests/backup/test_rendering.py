"""Tables and lists for people stay tables whatever the names in them are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.backup.rendering import bullets, markdown_table

CELLS = st.text(
    alphabet=st.characters(
        codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_every_row_stays_one_line_of_the_table(rows: list[tuple[str, str]]) -> None:
    lines = markdown_table(("a", "b"), rows).split("\n")

    assert len(lines) == 2 + len(rows)
    assert {line.replace("\\|", "").count("|") for line in lines} == {3}


def test_a_table_without_rows_is_its_head() -> None:
    assert markdown_table(("object", "plain"), []) == "| object | plain |\n|---|---|"


def test_bullets_are_one_line_each() -> None:
    assert bullets(["one", "two"]) == "- one\n- two"
