"""What several of the dashboards are made of."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.monitoring.dashboards.board import Line, Panel, Shape, Unit

WINDOW: Final = "$__rate_interval"
CHAT: Final = "onyx_chat_duration_seconds"


def rate(series: str, by: str = "") -> str:
    """A second, of a counter; by some of its labels."""
    return f"sum {f'by ({by}) ' if by else ''}(rate({series}[{WINDOW}]))"


def stat(
    title: str,
    text: str,
    unit: Unit,
    expr: str,
    legend: str = "",
    *,
    above: float | None = None,
    below: float | None = None,
) -> Panel:
    """One number in a quarter of the width. `legend`, `above`, `below`: as `Panel` has them."""
    return Panel(
        title, text, unit, [Line(expr, legend)], Shape.STAT, 6, bad_above=above, bad_below=below
    )
