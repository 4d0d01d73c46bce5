"""This run against the promoted baseline of the same environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from onyx_pipelines.load_test.analysis.latencies import measures_of
from onyx_pipelines.load_test.analysis.summaries import repeat_throughputs, repeat_values
from onyx_pipelines.load_test.results import Change, Comparison, Scenario
from onyx_pipelines.load_test.statistics.regression import compare_repeats

_QUANTILES: Final = {"p50": 0.5, "p95": 0.95}


class Series(BaseModel):
    """One figure per repeat, under a name as `chat full_answer p95`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: tuple[float, ...]
    higher_is_better: bool = False
    is_gating: bool = False


def series_of(samples: pd.DataFrame) -> dict[str, Series]:
    """What is compared: p50 and p95 of every measure, and the throughput. The p95 of what users
    wait for first decides; the others explain."""
    found: dict[str, Series] = {}
    for scenario in Scenario:
        for at, measure in enumerate(measures_of(samples, scenario)):
            repeats = [values for values in repeat_values(samples, scenario, measure) if values]
            for name, q in _QUANTILES.items():
                figures = tuple(float(np.quantile(values, q)) for values in repeats)
                if figures:
                    found[f"{scenario.value} {measure.value} {name}"] = Series(
                        values=figures, is_gating=at == 0 and name == "p95"
                    )
        throughputs = tuple(repeat_throughputs(samples, scenario))
        if throughputs:
            found[f"{scenario.value} throughput"] = Series(
                values=throughputs, higher_is_better=True
            )
    return found


def compare(
    baseline_id: str, before: Mapping[str, Series], after: Mapping[str, Series]
) -> Comparison:
    """Every figure that both have; one that only the baseline has is inconclusive."""
    return Comparison(
        baseline_id=baseline_id,
        changes=tuple(_change(name, each, after.get(name)) for name, each in before.items()),
    )


def _change(name: str, before: Series, after: Series | None) -> Change:
    values: Sequence[float] = after.values if after is not None else ()
    return compare_repeats(
        name,
        before.values,
        values,
        higher_is_better=before.higher_is_better,
        is_gating=before.is_gating,
    )
