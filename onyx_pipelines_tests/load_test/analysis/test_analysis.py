from __future__ import annotations

import pandas as pd
import pytest

from onyx_pipelines.load_test.analysis.comparison import compare, series_of
from onyx_pipelines.load_test.analysis.objectives import judge_objectives, peak_memory
from onyx_pipelines.load_test.analysis.summaries import summarise
from onyx_pipelines.load_test.analysis.sweep import sweep_steps
from onyx_pipelines.load_test.report.answers import (
    alarm_answer,
    objective_answer,
    regression_answer,
    validity_answer,
)
from onyx_pipelines.load_test.report.sentences import NO_BASELINE, judgement
from onyx_pipelines.load_test.results import (
    Block,
    ChangeKind,
    LoadVerdict,
    Measure,
    Scenario,
)
from onyx_pipelines.load_test.targets import Targets
from onyx_pipelines_tests.load_test.factories import (
    BAD,
    NOTHING,
    block,
    result_from,
    telemetry_of,
    whole_run,
)

pytestmark = pytest.mark.slow


def test_streamed_answers_are_measured_to_the_first_token_and_to_the_end() -> None:
    found = {(each.scenario, each.measure): each for each in summarise(whole_run())}

    assert set(found) == {
        (Scenario.CHAT, Measure.FIRST_TOKEN),
        (Scenario.CHAT, Measure.FULL_ANSWER),
        (Scenario.RAG, Measure.RETRIEVAL),
    }
    whole = found[Scenario.CHAT, Measure.FULL_ANSWER]
    assert (whole.samples, whole.repeats, whole.users, whole.errors) == (500, 5, 20, 0)
    first = found[Scenario.CHAT, Measure.FIRST_TOKEN]
    assert whole.mean_ms is not None
    assert first.mean_ms == pytest.approx(0.4 * whole.mean_ms, rel=0.01)


def test_warm_up_and_sweep_are_no_part_of_the_percentiles() -> None:
    (summary,) = summarise(
        pd.concat(
            [
                block(Scenario.RAG, Block.WARM_UP, users=1, requests=50, mean_ms=5000),
                block(Scenario.RAG, Block.BASELINE, users=1, requests=50, mean_ms=50),
                block(Scenario.RAG, Block.SWEEP, users=1, requests=50, mean_ms=5000),
            ]
        )
    )

    assert summary.samples == 50
    assert summary.max_ms is not None
    assert summary.max_ms < 500


def test_a_stall_shows_as_the_longest_gap() -> None:
    samples = block(Scenario.RAG, Block.BASELINE, users=1, requests=50, mean_ms=50)
    samples.loc[25:, ["started_ms", "ended_ms"]] += 3000

    (summary,) = summarise(samples)

    assert summary.longest_gap_s is not None
    assert summary.longest_gap_s > 3


def test_the_chat_objective_is_about_first_tokens_unless_it_is_said_otherwise() -> None:
    samples = whole_run()
    telemetry = telemetry_of(samples)
    tight = Targets(chat_p95_ms=300, chat_measure=None)

    (first, *_) = judge_objectives(samples, telemetry, (Scenario.CHAT,), tight)
    (whole, *_) = judge_objectives(
        samples, telemetry, (Scenario.CHAT,), Targets(300, chat_measure=Measure.FULL_ANSWER)
    )

    assert first.verdict is LoadVerdict.PASSED
    assert whole.verdict is LoadVerdict.FAILED
    assert "Measured: first token." in judgement(first)


def test_peak_memory_is_of_all_services_but_the_generator() -> None:
    samples = whole_run()

    sampled, peaks = peak_memory(telemetry_of(samples, memory_gib=2))

    assert sampled == 2 * 2 * 2**30
    assert peaks == pytest.approx(2 * 2.2 * 2**30)


def test_a_step_counts_what_was_answered_while_all_users_were_at_work() -> None:
    samples = block(Scenario.RAG, Block.SWEEP, users=4, requests=400, mean_ms=100, spread=0.01)

    (step,) = sweep_steps(samples, telemetry_of(samples))

    assert step.throughput_per_s == pytest.approx(40, rel=0.05)
    assert step.mean_ms == pytest.approx(100, rel=0.02)
    assert sum(step.parts.values()) == pytest.approx(step.mean_ms, rel=1e-6)
    assert {load.service for load in step.services} == {"app", "pg", "k6", "host"}


def test_no_sample_is_no_number() -> None:
    assert summarise(NOTHING) == ()
    assert sweep_steps(NOTHING, telemetry_of(whole_run())) == ()
    assert series_of(NOTHING) == {}


def test_a_run_twice_as_slow_as_its_baseline_is_a_regression_and_an_alarm() -> None:
    comparison = compare("b", series_of(whole_run()), series_of(whole_run(slower=2.5)))

    deciding = {each.name: each for each in comparison.changes if each.is_gating}
    assert set(deciding) == {"chat first_token p95", "rag retrieval p95"}
    assert {each.kind for each in deciding.values()} == {ChangeKind.REGRESSED}
    assert all(each.is_alarm for each in deciding.values())


def test_a_figure_that_is_missing_now_is_not_passed_over() -> None:
    after = whole_run()
    only_rag = after[after["scenario"] == "rag"]

    comparison = compare("b", series_of(after), series_of(only_rag))

    missing = next(each for each in comparison.changes if each.name == "chat first_token p95")
    assert missing.kind is ChangeKind.INCONCLUSIVE


class TestPromises:
    def test_of_a_good_run_all_are_kept(self) -> None:
        result = result_from(whole_run(), before=whole_run())

        answers = [
            validity_answer(result),
            objective_answer(result, "chat p95"),
            objective_answer(result, "rag p95"),
            objective_answer(result, "peak memory"),
            regression_answer(result),
            alarm_answer(result),
        ]
        assert [answer.verdict for answer in answers] == [LoadVerdict.PASSED] * 6

    def test_an_invalid_run_keeps_and_breaks_none(self) -> None:
        result = result_from(whole_run(slower=5), before=whole_run(), validity=BAD)

        assert validity_answer(result).verdict is LoadVerdict.FAILED
        assert objective_answer(result, "rag p95").verdict is LoadVerdict.INVALID
        assert regression_answer(result).verdict is LoadVerdict.INVALID
        assert alarm_answer(result).verdict is LoadVerdict.INVALID

    def test_without_a_baseline_nothing_is_decided(self) -> None:
        result = result_from(whole_run())

        assert regression_answer(result).verdict is LoadVerdict.INCONCLUSIVE
        assert regression_answer(result).text == NO_BASELINE

    def test_a_regression_is_a_failure_that_names_the_figure(self) -> None:
        answer = regression_answer(result_from(whole_run(slower=2), before=whole_run()))

        assert answer.verdict is LoadVerdict.FAILED
        assert "chat first_token p95: 2.00 times" in answer.text
