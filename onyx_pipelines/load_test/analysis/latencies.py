"""What of a request is its latency, and which requests have one."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from onyx_pipelines.load_test.results import Block, Measure, Scenario

# `duration` of k6 leaves the connection out, which users wait for too.
_PARTS: Final = ["blocked_ms", "sending_ms", "waiting_ms", "receiving_ms"]

MEASURES: Final = {
    Scenario.CHAT: (Measure.FIRST_TOKEN, Measure.FULL_ANSWER),
    Scenario.RAG: (Measure.RETRIEVAL,),
    Scenario.AGENT_TASKS: (Measure.FULL_ANSWER,),
}


def of_block(samples: pd.DataFrame, scenario: Scenario, block: Block) -> pd.DataFrame:
    mine = (samples["scenario"] == scenario.value) & (samples["block"] == block.value)
    return samples[mine]


def answered(samples: pd.DataFrame) -> pd.DataFrame:
    """Those with a status of 2xx; the others have no latency that says anything."""
    return samples[samples["status"].between(200, 299)]


def whole_ms(samples: pd.DataFrame) -> pd.Series[float]:
    """From wanting to send until the last byte."""
    return pd.Series(np.nansum(samples[_PARTS].to_numpy(), axis=1), index=samples.index)


def measured_ms(samples: pd.DataFrame, measure: Measure) -> npt.NDArray[np.float64]:
    """Of answered requests; those without a first token have none."""
    fine = answered(samples)
    values = fine["first_token_ms"] if measure is Measure.FIRST_TOKEN else whole_ms(fine)
    return np.asarray(values.dropna(), dtype=np.float64)


def measures_of(samples: pd.DataFrame, scenario: Scenario) -> tuple[Measure, ...]:
    """First tokens only where the answers were streamed."""
    mine = samples[samples["scenario"] == scenario.value]
    has_tokens = bool(mine["first_token_ms"].notna().any())
    return tuple(
        measure
        for measure in MEASURES[scenario]
        if measure is not Measure.FIRST_TOKEN or has_tokens
    )
