"""What templates show is text, unless it is markup already."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from onyx_pipelines.reporting import pages


def _rendered(source: str, **names: object) -> str:
    return pages._ENVIRONMENT.from_string(source).render(**names)


def test_only_markup_passes_unescaped() -> None:
    page = _rendered(
        '<p title="{{ title }}">{{ text }}{{ chart }}</p>',
        title='"<',
        text="<b>",
        chart=Markup("<svg>"),
    )

    assert page == '<p title="&#34;&lt;">&lt;b&gt;<svg></p>'


def test_what_does_not_print_stands_as_its_escape() -> None:
    assert _rendered("{{ name }}", name="a\u202e\n") == r"a\u202e\n"


def test_a_name_that_a_template_misspells_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="hedline"):
        _rendered("{{ hedline }}")
