"""What a service did is told in the specification's families, and nobody can be found in them."""

from __future__ import annotations

import re
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest

from onyx_pipelines.monitoring.instrumentation.recorder import RecentUsers, Recorder
from onyx_pipelines.monitoring.metrics import LABELS, SERIES_BUDGET

DAY_S: Final = 24 * 3600


class Recorded:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.of = Recorder(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def series(self) -> list[tuple[str, dict[str, str]]]:
        families = self.registry.collect()
        return [
            (each.name, each.labels)
            for family in families
            for each in family.samples
            if not each.name.endswith("_created")
        ]


def test_an_answer_is_in_the_spec_histogram() -> None:
    recorded = Recorded()

    recorded.of.chat("mock", success=True, seconds=1.2, user_id="u1")

    labels = {"model": "mock", "success": "true"}
    assert recorded.value("onyx_chat_duration_seconds_bucket", **labels, le="1.0") == 0
    assert recorded.value("onyx_chat_duration_seconds_bucket", **labels, le="1.5") == 1
    assert recorded.value("onyx_active_users") == 1


def test_a_task_is_fast_below_a_second_and_slow_from_ten_on() -> None:
    recorded = Recorded()

    for seconds in (0.99, 1.0, 9.99, 10.0):
        recorded.of.task("research", success=False, seconds=seconds)

    counted = {
        duration: recorded.value(
            "onyx_task_completion_total",
            task_type="research",
            success="false",
            duration_category=duration,
        )
        for duration in ("fast", "normal", "slow")
    }
    assert counted == {"fast": 1, "normal": 2, "slow": 1}


def test_a_question_without_results_is_told_apart_from_one_that_failed() -> None:
    recorded = Recorded()

    recorded.of.retrieval(5, 0.7, seconds=0.04)
    recorded.of.retrieved(5)
    recorded.of.retrieved(0)
    recorded.of.retrieval_failed()

    name = "onyx_rag_queries_total"
    outcomes = ("answered", "empty", "error")
    assert [recorded.value(name, outcome=each) for each in outcomes] == [1, 1, 1]
    labels = {"vector_count": "5", "similarity_threshold": "0.7", "le": "0.05"}
    assert recorded.value("onyx_rag_retrieval_duration_seconds_bucket", **labels) == 1


def test_a_call_of_a_model_counts_tokens_and_cost() -> None:
    recorded = Recorded()

    recorded.of.model_call("m", success=True, input_tokens=10, output_tokens=3, cost_usd=0.25)
    recorded.of.model_call("m", success=False)

    assert recorded.value("onyx_llm_calls_total", model="m", outcome="error") == 1
    assert recorded.value("onyx_llm_tokens_total", model="m", direction="input") == 10
    assert recorded.value("onyx_llm_cost_usd_total", model="m") == 0.25


def test_names_that_callers_invent_stay_within_the_budget_of_series() -> None:
    recorded = Recorded()

    for number in range(500):
        recorded.of.chat(f"model-{number}", success=True, seconds=1, user_id=f"user-{number}")
        recorded.of.model_call(f"model-{number}", success=True)
        recorded.of.task(f"task-{number}", success=True, seconds=1)
        recorded.of.agents(f"agent-{number}", "working", 1)
        recorded.of.retrieval(number, number / 500, seconds=1)

    assert len(recorded.series()) <= 2 * SERIES_BUDGET
    assert recorded.value("onyx_llm_calls_total", model="other", outcome="success") == 480
    assert recorded.value("onyx_active_users") == 500


def test_no_label_says_who_asked() -> None:
    recorded = Recorded()

    recorded.of.chat("m", success=True, seconds=1, user_id="ada@example.org")

    assert {name for _, labels in recorded.series() for name in labels} <= LABELS
    assert not re.search(rb"ada|example", generate_latest(recorded.registry))


def test_a_user_counts_once_in_24_hours() -> None:
    now = [0.0]
    users = RecentUsers(lambda: now[0])

    users.seen("a")
    now[0] = DAY_S / 2
    users.seen("b")
    users.seen("a")
    assert users.count() == 2

    now[0] = DAY_S * 1.5 + 1
    assert users.count() == 0


def test_a_hash_of_a_user_says_nothing_in_another_process() -> None:
    one, other = RecentUsers(), RecentUsers()

    one.seen("a")
    other.seen("a")

    assert set(one._last_seen).isdisjoint(other._last_seen)


def test_users_beyond_what_is_remembered_take_no_more_memory() -> None:
    users = RecentUsers()

    for number in range(100_010):
        users.seen(str(number))

    assert users.count() == 100_000
