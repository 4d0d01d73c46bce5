"""A limit as people write it, such as "< 0.9": what a figure must keep to. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable
from string import Template
from typing import Annotated, Final

from pydantic import StringConstraints

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.text import percent_text

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS: Final = {"==": "", "<": "under ", "<=": "at most ", ">": "over ", ">=": "at least "}

Limit = Annotated[str, StringConstraints(pattern=r"^(==|<=|>=|<|>) (-?\d+(?:\.\d+)?)$")]


def is_within(limit: Limit, value: float) -> bool:
    """Whether a number keeps to it."""
    compare, figure = limit.split()
    return _OPERATORS[compare](value, float(figure))


def limit_words(limit: Limit) -> str:
    """Such as "under 0.9"."""
    compare, figure = limit.split()
    return f"{_WORDS[compare]}{figure}"


def with_thresholds(text: str, thresholds: Thresholds) -> str:
    """`$name` is the threshold of the alerts, `$name_percent` the same share in words."""
    figures = {name: f"{value:g}" for name, value in thresholds if isinstance(value, int | float)}
    figures |= {f"{name}_percent": percent_text(float(text)) for name, text in figures.items()}
    return Template(text).substitute(figures)
