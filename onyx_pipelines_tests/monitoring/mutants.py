"""Alerts with one thing changed each: tests that notice nothing of it prove nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from onyx_pipelines.monitoring.rules.rule import Alert

# A number that something is compared with, or that a baseline is multiplied by.
_THRESHOLD: Final = re.compile(r"(?<=[<>=*] )(-?\d+(?:\.\d+)?)(?![\w.:\[])")
_OPERATOR: Final = re.compile(r" (==|>=|<=|>|<) ")
_OTHER: Final = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!="}
_VALUE: Final = re.compile(r'="([a-z][a-z-]+)"')
_MINUTES: Final = re.compile(r"(\d+)([mh]|s)")


@dataclass(frozen=True)
class Mutant:
    """Args:
    what: what was changed, for people.
    """

    what: str
    alert: Alert


def mutants(alert: Alert) -> Iterator[Mutant]:
    """Operators turned round, thresholds half and twice, labels misspelt, a hold that is longer."""
    for found in _OPERATOR.finditer(alert.expr):
        yield _changed(alert, found.span(1), _OTHER[found[1]])
    for found in _THRESHOLD.finditer(alert.expr):
        if float(found[1]):
            for factor in (0.5, 2.0):
                yield _changed(alert, found.span(1), f"{float(found[1]) * factor:g}")
    for found in _VALUE.finditer(alert.expr):
        yield _changed(alert, found.span(1), f"{found[1]}x")
    for hold in _holds(alert.hold):
        yield Mutant(f"for {hold}", replace(alert, hold=hold))


def _holds(hold: str) -> Iterator[str]:
    found = _MINUTES.fullmatch(hold)
    assert found
    seconds = int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
    yield f"{seconds + 60}s"
    if seconds >= 120:
        yield f"{seconds - 60}s"


def _changed(alert: Alert, span: tuple[int, int], text: str) -> Mutant:
    begin, end = span
    expression = f"{alert.expr[:begin]}{text}{alert.expr[end:]}"
    return Mutant(f"{alert.expr[begin:end]} → {text} at {begin}", replace(alert, expr=expression))
