"""A busy machine gives any figures at all: the analysis and the report say what cannot be told."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onyx_pipelines.load_test.capacity import fitting
from onyx_pipelines.load_test.report.sentences import capacity_lines
from onyx_pipelines.load_test.report.writing import page_of
from onyx_pipelines.load_test.results import Block, Scenario
from onyx_pipelines_tests.load_test.factories import block, result_from
from onyx_pipelines_tests.reporting.page import Page

means = st.sampled_from([0.0, 1e-3, 1.0, 40.0, 40.0, 40.0, 1e4, 3.6e6])


@st.composite
def one_block(draw: st.DrawFn, kind: Block, users: int, repeat: int = 1) -> pd.DataFrame:
    requests = draw(st.integers(1, 40))
    return block(
        Scenario.RAG,
        kind,
        users=users,
        requests=requests,
        mean_ms=draw(means),
        repeat=repeat,
        failures=draw(st.sampled_from([0, 0, 1, requests])),
        spread=draw(st.sampled_from([0.0, 0.2, 2.0])),
    )


@st.composite
def runs(draw: st.DrawFn) -> pd.DataFrame:
    sweep = [draw(one_block(Block.SWEEP, users)) for users in draw(_STEPS)]
    repeats = range(1, draw(st.integers(1, 3)) + 1)
    baseline = [draw(one_block(Block.BASELINE, 5, repeat)) for repeat in repeats]
    return pd.concat([*baseline, *sweep], ignore_index=True)


_STEPS = st.sampled_from([(), (1,), (1, 2), (1, 2, 4, 8), (1, 2, 5, 10, 20)])


@pytest.mark.slow
@settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(samples=runs(), before=runs())
def test_whatever_was_measured_there_is_a_report(
    samples: pd.DataFrame, before: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "_RESAMPLES", 5)

    text = Page(page_of(result_from(samples, before=before), charts=defaultdict(list))).text

    assert "Load test, " in text
    assert "nan" not in text.lower().split()


def test_a_sweep_that_jumps_is_reported_as_what_could_not_be_told() -> None:
    rates = {1: 30.0, 2: 5.0, 4: 60.0, 8: 3.0}
    sweep = [
        block(Scenario.RAG, Block.SWEEP, users=users, requests=60, mean_ms=1000 * users / rate)
        for users, rate in rates.items()
    ]

    (line,) = capacity_lines(result_from(pd.concat(sweep, ignore_index=True)))

    assert "could not tell, throughput jumps from step to step" in line
