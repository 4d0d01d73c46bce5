"""Tables and lists for people stay tables whatever the names in them are."""

from __future__ import annotations

import html
from collections.abc import Callable

import pytest
from hypothesis import given, settings

from onyx_pipelines.backup.rendering import bullets, markdown_table
from onyx_pipelines.core.text import printable
from onyx_pipelines_tests.cli.awkward_names import names


@settings(max_examples=60, deadline=None)
@given(names)
def test_every_row_stays_one_line_of_the_table(name: str) -> None:
    lines = markdown_table(("a", "b"), [(name, name), (name, "x")]).splitlines()

    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {3}


@pytest.mark.parametrize(
    "shown", [lambda name: markdown_table(("a",), [(name,)]), lambda name: bullets([name])]
)
@settings(max_examples=60, deadline=None)
@given(name=names)
def test_nothing_in_a_name_is_formatting(shown: Callable[[str], str], name: str) -> None:
    """What a reader of Markdown would take for a tag, a link or emphasis is an entity."""
    last = shown(name).splitlines()[-1].removeprefix("| ").removeprefix("- ").removesuffix(" |")

    assert not set(last) & set("<>[]*`~|")
    assert html.unescape(last.replace("\\_", "_")) == printable(name)


def test_a_table_without_rows_is_its_head() -> None:
    assert markdown_table(("object", "plain"), []) == "| object | plain |\n| --- | --- |"


def test_bullets_are_one_line_each() -> None:
    assert bullets(["one", "two"]) == "- one\n- two"
