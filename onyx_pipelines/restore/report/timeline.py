"""What the timeline chart shows, as rows and bars, before anything is drawn. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from onyx_pipelines.core.text import count_text, printable
from onyx_pipelines.restore.results import DrillResult, Step, StepTiming
from onyx_pipelines.sources.source import Component

MAX_ROWS = 40
# Of the whole time: what is closer than that in a shared row would be drawn as one anyway.
_CLOSE = 0.01


@dataclass(frozen=True)
class Bar:
    """One step. Steps of an item that ran at the same time lie in different lanes of its row."""

    step: Step
    offset_s: float
    duration_s: float
    lane: int

    @property
    def end_s(self) -> float:
        return self.offset_s + self.duration_s


@dataclass(frozen=True)
class ItemRow:
    """One item. `busy_s` is the sum of its steps."""

    component: Component
    label: str
    bars: tuple[Bar, ...]
    busy_s: float

    @property
    def lanes(self) -> int:
        return 1 + max(bar.lane for bar in self.bars)

    @property
    def offset_s(self) -> float:
        return min(bar.offset_s for bar in self.bars)

    @property
    def end_s(self) -> float:
        return max(bar.end_s for bar in self.bars)


def timeline_rows(result: DrillResult, *, max_rows: int = MAX_ROWS) -> list[ItemRow]:
    """One row per component and item, components in their order, items as they began.

    Of more than `max_rows`, those that took longest are kept; the others of a component share one
    row (a lane for each step), so every second that was measured is still there.
    """
    rows = [row for drill in result.components for row in _rows(drill.component, drill.steps)]
    if len(rows) <= max_rows:
        return rows
    by_time = sorted(range(len(rows)), key=lambda index: -rows[index].busy_s)
    kept = set(by_time[: max(0, max_rows - len(result.components))])
    close_s = _CLOSE * max(row.end_s for row in rows)
    folded: list[ItemRow] = []
    for component in dict.fromkeys(row.component for row in rows):
        own = [index for index, row in enumerate(rows) if row.component is component]
        folded += [rows[index] for index in own if index in kept]
        if rest := [rows[index] for index in own if index not in kept]:
            folded.append(_together(component, rest, close_s))
    return folded


def _rows(component: Component, steps: Iterable[StepTiming]) -> list[ItemRow]:
    by_item: dict[str, list[StepTiming]] = {}
    for timing in sorted(steps, key=lambda timing: timing.offset_s):
        by_item.setdefault(timing.item, []).append(timing)
    return [
        ItemRow(component, _label(item), _in_lanes(timings), sum(t.duration_s for t in timings))
        for item, timings in by_item.items()
    ]


def _label(item: str) -> str:
    return printable(item).strip() or "(no name)"


def _in_lanes(timings: Sequence[StepTiming]) -> tuple[Bar, ...]:
    """Each bar in the first lane that is free by then (a clock's rounding is no overlap)."""
    ends: list[float] = []
    bars = []
    for timing in timings:
        slack = 0.001 + 0.01 * timing.duration_s
        lane = next((i for i, e in enumerate(ends) if e <= timing.offset_s + slack), len(ends))
        ends[lane : lane + 1] = [timing.offset_s + timing.duration_s]
        bars.append(Bar(timing.step, timing.offset_s, timing.duration_s, lane))
    return tuple(bars)


def _together(component: Component, rows: Sequence[ItemRow], close_s: float) -> ItemRow:
    bars = [bar for row in rows for bar in row.bars]
    used = [step for step in Step if any(bar.step is step for bar in bars)]
    merged = tuple(
        each
        for lane, step in enumerate(used)
        for each in _merged([bar for bar in bars if bar.step is step], lane, close_s)
    )
    return ItemRow(
        component, count_text(len(rows), "other"), merged, sum(row.busy_s for row in rows)
    )


def _merged(bars: Sequence[Bar], lane: int, close_s: float) -> Iterator[Bar]:
    """Thousands of bars of a hundredth of a second cost seconds to draw, and show no more."""
    ordered = sorted(bars, key=lambda bar: bar.offset_s)
    begin_s, end_s = ordered[0].offset_s, ordered[0].end_s
    for bar in ordered[1:]:
        if bar.offset_s > end_s + close_s:
            yield Bar(bar.step, begin_s, end_s - begin_s, lane)
            begin_s = bar.offset_s
        end_s = max(end_s, bar.end_s)
    yield Bar(ordered[0].step, begin_s, end_s - begin_s, lane)
