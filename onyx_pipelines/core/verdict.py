"""The three verdicts of a verification, and how several become one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """A verification that could not run never counts as a pass."""

    PASSED = "passed"
    FAILED = "failed"
    COULD_NOT_VERIFY = "could_not_verify"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Failed beats could-not-verify, which beats passed; of nothing, nothing was verified."""
    found = set(verdicts)
    for verdict in (Verdict.FAILED, Verdict.COULD_NOT_VERIFY, Verdict.PASSED):
        if verdict in found:
            return verdict
    return Verdict.COULD_NOT_VERIFY
