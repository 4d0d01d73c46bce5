"""Is a set about as large as the last good ones? Pure: sizes in, verdicts out.

A sudden drop is what an empty dump or a lost volume looks like after every exit code was 0.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onyx_pipelines.core.text import size_text

HISTORY = 7


@dataclass(frozen=True)
class SizeVerdict:
    """One component. `change_percent` is None where there is nothing to compare with."""

    component: str
    ok: bool
    plain_bytes: int
    median_bytes: int | None
    change_percent: float | None
    reason: str


def judge_sizes(
    current: Mapping[str, int],
    history: Sequence[Mapping[str, int]],
    *,
    drop_error_percent: float,
) -> list[SizeVerdict]:
    """Compare plain bytes per component with the median of the last good sets.

    Args:
        current: component → plain bytes of the set in question.
        history: the same of earlier complete sets, newest first; the first seven that have the
            component count.
        drop_error_percent: a component smaller than the median by more than this is implausible.
    """
    return [
        _judge(component, size, history, drop_error_percent)
        for component, size in sorted(current.items())
    ]


def _judge(
    component: str, size: int, history: Sequence[Mapping[str, int]], drop_error_percent: float
) -> SizeVerdict:
    earlier = [sizes[component] for sizes in history if component in sizes][:HISTORY]
    if not earlier or (median := int(statistics.median(earlier))) == 0:
        return SizeVerdict(
            component,
            ok=True,
            plain_bytes=size,
            median_bytes=None,
            change_percent=None,
            reason=f"{component}: {size_text(size)}; no earlier set to compare with",
        )
    change = 100.0 * (size - median) / median
    ok = change >= -drop_error_percent
    limit = "" if ok else f", a drop of more than {drop_error_percent:g} % is an error"
    return SizeVerdict(
        component,
        ok=ok,
        plain_bytes=size,
        median_bytes=median,
        change_percent=round(change, 2),
        reason=f"{component}: {size_text(size)}, {change:+.1f} % against the"
        f" median {size_text(median)} of the last {len(earlier)}{limit}",
    )
