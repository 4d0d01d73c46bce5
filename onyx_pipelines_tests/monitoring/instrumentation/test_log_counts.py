"""What services log becomes the specification's figures, counted once whatever ends us."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from onyx_pipelines.monitoring.instrumentation.log_counts import LogCounts, LogStateError
from onyx_pipelines.monitoring.instrumentation.log_events import Outcome, parse_line
from onyx_pipelines_tests.examples import random_examples

CALL: Final = {
    "event": "llm_call",
    "model": "m",
    "success": True,
    "input_tokens": 10,
    "output_tokens": 3,
    "cost_usd": 0.25,
}


class Counted:
    """A log and what it adds up to."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "app.log"
        self.state = folder / "state" / "app.json"
        self.again()

    def again(self) -> None:
        """As after a restart."""
        self.counts = LogCounts(self.log, self.state)
        self.registry = CollectorRegistry()
        self.registry.register(self.counts)

    def write(self, *events: dict[str, Any] | str) -> None:
        with self.log.open("a") as file:
            for each in events:
                file.write((each if isinstance(each, str) else json.dumps(each)) + "\n")

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(tmp_path)


def test_a_call_of_a_model_adds_to_calls_tokens_and_cost(counted: Counted) -> None:
    counted.write(CALL, {**CALL, "success": False})

    counted.counts.read_on()

    assert counted.value("onyx_llm_calls_total", model="m", outcome="success") == 1
    assert counted.value("onyx_llm_calls_total", model="m", outcome="error") == 1
    assert counted.value("onyx_llm_tokens_total", model="m", direction="input") == 20
    assert counted.value("onyx_llm_cost_usd_total", model="m") == 0.5


@pytest.mark.parametrize(
    ("event", "outcome"),
    [({"results": 3}, "answered"), ({"results": 0}, "empty"), ({"failed": True}, "error")],
)
def test_a_retrieval_adds_to_what_came_of_it(
    counted: Counted, event: dict[str, Any], outcome: str
) -> None:
    counted.write({"event": "rag_query", **event})

    counted.counts.read_on()

    assert counted.value("onyx_rag_queries_total", outcome=outcome) == 1


def test_a_task_adds_to_its_kind_and_duration(counted: Counted) -> None:
    counted.write({"event": "task", "task_type": "sync", "success": True, "duration_s": 12})

    counted.counts.read_on()

    labels = {"task_type": "sync", "success": "true", "duration_category": "slow"}
    assert counted.value("onyx_task_completion_total", **labels) == 1


def test_what_is_known_beforehand_starts_at_0(counted: Counted) -> None:
    assert counted.value("onyx_rag_queries_total", outcome="error") == 0
    assert counted.value("onyx_log_gaps_total") == 0


def test_what_docker_wraps_is_unwrapped(counted: Counted) -> None:
    line = {"log": json.dumps(CALL) + "\n", "stream": "stdout", "time": "2026-11-27T10:00:00Z"}
    counted.write(line)

    counted.counts.read_on()

    assert counted.value("onyx_llm_calls_total", model="m", outcome="success") == 1


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("INFO: an event took place", Outcome.OTHER),
        ('{"event": "login", "user": "ada"}', Outcome.OTHER),
        ('{"event": ["llm_call"]}', Outcome.OTHER),
        ('{"log": 5, "event": "x"}', Outcome.OTHER),
        ('{"event": "llm_call", "model": "m"}', Outcome.MALFORMED),
        ('{"event": "llm_call", "model": "", "success": true}', Outcome.MALFORMED),
        (json.dumps({**CALL, "input_tokens": -1}), Outcome.MALFORMED),
        (json.dumps({**CALL, "cost_usd": float("nan")}), Outcome.MALFORMED),
        (json.dumps({**CALL, "success": "yes"}), Outcome.MALFORMED),
        ("[" * 100_000 + "event", Outcome.OTHER),
    ],
)
def test_lines_that_are_none_of_ours_are_counted_as_such(line: str, outcome: Outcome) -> None:
    assert parse_line(line.encode()) == (outcome, [])


@settings(max_examples=random_examples(100, at_night=2000))
@given(line=st.binary(max_size=200) | st.text().map(lambda text: f'"event{text}'.encode()))
def test_no_line_breaks_it(line: bytes) -> None:
    outcome, increments = parse_line(line)

    assert outcome is not Outcome.COUNTED or increments


def test_names_that_callers_invent_are_one_series_from_some_number_on(counted: Counted) -> None:
    counted.write(*({**CALL, "model": f"m{number}"} for number in range(500)))

    counted.counts.read_on()

    found = [sample for family in counted.counts.collect() for sample in family.samples]
    assert len(found) < 700
    assert counted.value("onyx_llm_cost_usd_total", model="other") == 0.25 * 380


def test_a_restart_goes_on_where_it_was(counted: Counted) -> None:
    counted.write(CALL)
    counted.counts.read_on()

    counted.again()
    counted.write(CALL)
    counted.counts.read_on()

    assert counted.value("onyx_llm_calls_total", model="m", outcome="success") == 2


def test_a_state_that_is_none_is_named_and_left(counted: Counted) -> None:
    counted.state.parent.mkdir()
    counted.state.write_text("{")

    with pytest.raises(LogStateError, match=r"does not say what was counted of .*app\.log"):
        counted.again()

    assert counted.state.read_text() == "{"


FOLLOWS: Final = """
import sys, time
from pathlib import Path
from onyx_pipelines.monitoring.instrumentation.log_counts import LogCounts
counts = LogCounts(Path(sys.argv[1]), Path(sys.argv[2]))
print("ready", flush=True)
while True:
    counts.read_on()
    time.sleep(0.001)
"""


@pytest.mark.slow
def test_kills_and_rotations_while_it_is_written_to_count_each_line_once(counted: Counted) -> None:
    chance = random.Random(9)
    written = 0
    for turn in range(6):
        arguments = [sys.executable, "-c", FOLLOWS, str(counted.log), str(counted.state)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as follower:
            assert follower.stdout
            assert follower.stdout.readline() == b"ready\n"
            for _ in range(chance.randrange(5, 15)):
                count = chance.randrange(1, 200)
                counted.write(*[CALL] * count)
                written += count
                time.sleep(chance.random() / 100)
            if turn % 2:
                counted.log.rename(counted.log.with_name(f"app.log.{turn}"))
                counted.write(CALL)
                written += 1
            follower.send_signal(signal.SIGKILL)

    counted.again()
    counted.counts.read_on()

    assert counted.value("onyx_llm_calls_total", model="m", outcome="success") == written
    assert counted.value("onyx_log_gaps_total") == 0
