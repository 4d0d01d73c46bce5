"""How long a restore should take: what drills measured, scaled by size. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onyx_pipelines.restore.results import ComponentDrill, DrillResult
from onyx_pipelines.sources.source import Component


@dataclass(frozen=True)
class Estimate:
    """`seconds` None: no drill has measured all that is to be restored; `basis` says so."""

    seconds: float | None
    basis: str


def estimate(plain_bytes: Mapping[Component, int], drills: Iterable[DrillResult]) -> Estimate:
    """From the newest drill of each component that restored something.

    Args:
        plain_bytes: what is to be restored of each component.
        drills: newest first.
    """
    measured: dict[Component, tuple[DrillResult, ComponentDrill]] = {}
    for drill in drills:
        for each in drill.components:
            if each.recovery_is_measured and each.component not in measured:
                measured[each.component] = (drill, each)
    unknown = [part.value for part in plain_bytes if part not in measured]
    if unknown or not plain_bytes:
        return Estimate(None, f"no drill has measured {', '.join(unknown) or 'anything'} yet")
    seconds = sum(_scaled(measured[part][1], size) for part, size in plain_bytes.items())
    oldest = min(measured[part][0].started_at for part in plain_bytes)
    return Estimate(seconds, f"as drills since {oldest:%Y-%m-%d} measured it, scaled by size")


def _scaled(drill: ComponentDrill, plain_bytes: int) -> float:
    """A drill of less data says nothing better than its own time."""
    if drill.plain_bytes <= 0:
        return drill.recovery_s
    return drill.recovery_s * max(1.0, plain_bytes / drill.plain_bytes)
