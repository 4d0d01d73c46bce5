"""What a PromQL expression asks for: names, labels, and which of its parts are alternatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import promql_parser as promql

from onyx_pipelines.core.errors import OnyxError

_COMPARISONS: Final = frozenset(("==", "!=", "<", "<=", ">", ">="))


class ExpressionError(OnyxError):
    """A PromQL expression cannot be read.

    Cause: it is misspelt, or uses what this parser does not know.
    Remedy: correct the expression; `promtool check rules` says the same.
    """

    code = "unreadable-expression"


@dataclass(frozen=True)
class Selector:
    """Series that an expression reads.

    Args:
        labels: what must be there: matched against something that is not empty, or grouped by.
        exact: label → value, of `=` matchers.
    """

    name: str
    labels: frozenset[str]
    exact: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Needs:
    """Every one of `selectors`, and of each of `choices` one alternative."""

    selectors: tuple[Selector, ...] = ()
    choices: tuple[tuple[Needs, Needs], ...] = ()

    def __add__(self, other: Needs) -> Needs:
        return Needs(self.selectors + other.selectors, self.choices + other.choices)

    def all_selectors(self) -> Iterator[Selector]:
        """Those of alternatives too."""
        yield from self.selectors
        for choice in self.choices:
            for each in choice:
                yield from each.all_selectors()


def parsed(expression: str) -> Any:
    """The tree of promql-parser.

    Raises:
        ExpressionError: it is no PromQL.
    """
    try:
        return promql.parse(expression)
    except ValueError as error:
        raise ExpressionError(
            f"This is no PromQL: {expression!r}: {error}.", remedy="Correct the expression."
        ) from None


def needs_of(expression: str) -> Needs:
    """What must be scraped for the expression to see anything."""
    return _needs(parsed(expression), frozenset())


def _needs(node: Any, grouped: frozenset[str]) -> Needs:
    """`grouped`: labels that an aggregation around it groups by."""
    if isinstance(node, promql.VectorSelector):
        return Needs((_selector(node, grouped),))
    if isinstance(node, promql.MatrixSelector):
        return _needs(node.vector_selector, grouped)
    if isinstance(node, promql.AggregateExpr):
        return _needs(node.expr, grouped | _by(node.modifier))
    if isinstance(node, promql.Call):
        return _of_call(node, grouped)
    if isinstance(node, promql.BinaryExpr):
        return _of_binary(node, grouped)
    inner = getattr(node, "expr", None)
    return _needs(inner, grouped) if inner is not None else Needs()


def _of_call(node: Any, grouped: frozenset[str]) -> Needs:
    if node.func.name in ("absent", "absent_over_time"):
        return Needs()  # being absent is what it looks for
    if node.func.name == "histogram_quantile":
        grouped = grouped | {"le"}
    if node.func.name in ("label_replace", "label_join"):
        grouped = grouped - {node.args[1].val}
    found = Needs()
    for each in node.args:
        found = found + _needs(each, grouped)
    return found


def _of_binary(node: Any, grouped: frozenset[str]) -> Needs:
    left, right = _needs(node.lhs, grouped), _needs(node.rhs, frozenset())
    operator = str(node.op)
    if operator == "or" and not (_compares(node.lhs) or _compares(node.rhs)):
        return Needs(choices=((left, right),))
    return left if operator == "unless" else left + right


def _compares(node: Any) -> bool:
    """`a == 0 or b > 1` are two conditions; `a or b` is one figure by two names."""
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    return isinstance(node, promql.BinaryExpr) and str(node.op) in _COMPARISONS


def _by(modifier: Any) -> frozenset[str]:
    if modifier is None or modifier.type is not promql.AggModifierType.By:
        return frozenset()
    return frozenset(modifier.labels)


def _selector(node: Any, grouped: frozenset[str]) -> Selector:
    exact, labels, name = [], set(grouped), node.name or ""
    for each in node.matchers.matchers:
        if each.name == "__name__":
            name = each.value
        elif each.op is promql.MatchOp.Equal and each.value:
            exact.append((each.name, each.value))
            labels.add(each.name)
        elif each.op is promql.MatchOp.Re:
            labels.add(each.name)
    return Selector(name, frozenset(labels), tuple(exact))
