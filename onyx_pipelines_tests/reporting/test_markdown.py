"""Foreign text in Markdown, read back by a Markdown parser."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from onyx_pipelines.core.text import printable
from onyx_pipelines.reporting.markdown import code, table, text

_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def cells_of(markdown: str) -> list[list[str]]:
    """The rows of all tables, as plain text; fails on raw HTML and links."""
    rows: list[list[str]] = []
    is_in_row = False
    for token in _PARSER.parse(markdown):
        assert token.type != "html_block"
        if token.type == "tr_open":
            rows.append([])
            is_in_row = True
        elif token.type == "tr_close":
            is_in_row = False
        elif token.type == "inline":
            kinds = {child.type for child in token.children or []}
            assert kinds <= {"text", "text_special", "code_inline", "strong_open", "strong_close"}
            if is_in_row:
                rows[-1].append("".join(child.content for child in token.children or []))
    return rows


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=30), min_size=3, max_size=3))
def test_cells_of_any_text_keep_their_columns_and_read_as_they_are(words: list[str]) -> None:
    markdown = table(("a", "b", "c"), [[text(word) for word in words]])

    rows = cells_of(markdown)

    assert [len(row) for row in rows] == [3, 3]
    assert [cell.strip() for cell in rows[1]] == [printable(word).strip() for word in words]


_SPECIAL_TEXT = st.text("|`\\*_<>&[]()!#~$^ ab\n\r\t=-:;'\"", min_size=1, max_size=16)


@settings(max_examples=100, deadline=None)
@given(_SPECIAL_TEXT, _SPECIAL_TEXT)
def test_special_characters_are_only_characters(first: str, second: str) -> None:
    rows = cells_of(table(("a", "b"), [(code(first), text(second))]))

    assert [len(row) for row in rows] == [2, 2]
    assert [cell.strip() for cell in rows[1]] == [
        printable(first).strip(),
        printable(second).strip(),
    ]


@pytest.mark.parametrize("address", ["https://evil.example/", "www.evil.example", "a@b.example"])
def test_an_address_in_a_name_becomes_no_link(address: str) -> None:
    linking = MarkdownIt("commonmark")

    html = linking.render(text(address))

    assert "<a" not in html
    assert "://" not in text(address)
