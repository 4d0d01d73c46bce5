"""A request's latency is cut into parts that leave nothing out and count nothing twice."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.load_test.attribution.parts import (
    mean_parts,
    parts_of,
)
from onyx_pipelines.load_test.part import Owner, Part, Role
from onyx_pipelines.load_test.results import Scenario, SweepStep
from onyx_pipelines_tests.load_test.attribution.injected import inject
from onyx_pipelines_tests.load_test.attribution.simulation import sweep

pytestmark = pytest.mark.slow

TIMES = st.floats(0, 1e5)
PHASES = ("blocked_ms", "connecting_ms", "tls_ms", "sending_ms", "waiting_ms", "receiving_ms")


def _samples(*rows):
    return pd.DataFrame(
        [
            dict.fromkeys(PHASES, 0.0) | {"server_timing": "", "first_token_ms": float("nan")} | row
            for row in rows
        ]
    ).astype({"server_timing": "str"})


def _only(row):
    parts = parts_of(_samples(row)).iloc[0]
    return {name: round(value, 6) for name, value in parts.items() if value != 0}


def test_a_row_without_server_timing_has_what_the_generator_saw():
    parts = _only(
        {
            "blocked_ms": 10.0,
            "connecting_ms": 3.0,
            "tls_ms": 5.0,
            "sending_ms": 1.0,
            "waiting_ms": 50.0,
            "receiving_ms": 4.0,
        }
    )

    assert parts == {
        "name_lookup": 2.0,
        "connect": 3.0,
        "tls": 5.0,
        "send": 1.0,
        "server": 50.0,
        "receive": 4.0,
    }


def test_the_servers_account_is_split_by_hop():
    timing = (
        "total;dur=90, db_wait;dur=5, db;dur=10, vector;dur=20, vector_srv;dur=15, "
        "llm;dur=40, llm_srv;dur=30"
    )

    parts = _only({"waiting_ms": 100.0, "receiving_ms": 7.0, "server_timing": timing})

    assert parts == {
        "ingress": 10.0,
        "app_self": 15.0,
        "db_wait": 5.0,
        "db_srv": 10.0,
        "vector_gap": 5.0,
        "vector_srv": 15.0,
        "llm_gap": 10.0,
        "llm_srv": 30.0,
        "receive": 7.0,
    }


def test_a_streamed_answer_receives_only_what_the_server_does_not_account_for():
    timing = "total;dur=900, llm;dur=880, llm_srv;dur=870"

    parts = _only({"waiting_ms": 5.0, "receiving_ms": 1000.0, "server_timing": timing})

    assert parts == {
        "ingress": 5.0,
        "app_self": 20.0,
        "llm_gap": 10.0,
        "llm_srv": 870.0,
        "receive": 100.0,
    }


def test_waiting_for_a_blocked_server_to_begin_a_stream_is_ingress():
    timing = "total;dur=900, llm;dur=900"

    parts = _only({"waiting_ms": 300.0, "receiving_ms": 895.0, "server_timing": timing})

    assert parts == {"ingress": 295.0, "llm_srv": 900.0}


def test_a_stream_that_waited_longer_than_it_took_still_waited_at_the_door():
    row = {"waiting_ms": 300.0, "receiving_ms": 95.0, "first_token_ms": 300.0}

    parts = _only(row | {"server_timing": "total;dur=100, llm;dur=100"})

    assert parts == {"ingress": 295.0, "llm_srv": 100.0}


def test_calls_in_parallel_share_the_time_they_took_together():
    timing = "total;dur=100, a;dur=100, b;dur=100"

    parts = _only({"waiting_ms": 100.0, "server_timing": timing})

    assert parts == {"a_srv": 50.0, "b_srv": 50.0}


def test_a_callee_never_takes_longer_than_the_call_to_it():
    parts = _only({"waiting_ms": 10.0, "server_timing": "total;dur=10, a;dur=8, a_srv;dur=9"})

    assert parts == {"app_self": 2.0, "a_srv": 8.0}


def test_some_rows_with_and_some_without_an_account_keep_their_own_parts():
    samples = _samples(
        {"waiting_ms": 10.0, "receiving_ms": 1.0, "server_timing": "total;dur=8, a;dur=8"},
        {"waiting_ms": 20.0, "receiving_ms": 2.0},
    )

    parts = parts_of(samples)

    assert parts["server"].tolist() == [0.0, 20.0]
    assert parts["a_srv"].tolist() == [8.0, 0.0]
    assert parts["receive"].tolist() == [1.0, 2.0]


def test_the_mean_parts_sum_to_the_mean_latency():
    run = sweep(inject("small pool", 51).system, 51)

    means = mean_parts(run.samples)

    phases = run.samples[["blocked_ms", "sending_ms", "waiting_ms", "receiving_ms"]]
    assert sum(means.values()) == pytest.approx(phases.sum(axis=1).mean())


def test_the_mean_of_many_rows_is_that_of_all_of_them():
    few = _samples({"waiting_ms": 10.0}, {"waiting_ms": 30.0}, {"waiting_ms": 80.0})
    many = pd.concat([few] * 40_000, ignore_index=True)

    assert mean_parts(many) == pytest.approx(mean_parts(few))


def test_no_rows_have_no_mean_parts():
    assert mean_parts(_samples({}).iloc[:0]) == {}


def test_no_rows_give_no_rows():
    assert len(parts_of(_samples({}).iloc[:0])) == 0


def test_the_index_of_the_samples_is_kept():
    samples = _samples({}, {}).set_axis([7, 3])

    assert parts_of(samples).index.tolist() == [7, 3]


@settings(deadline=None, max_examples=60)
@given(
    phases=st.fixed_dictionaries(dict.fromkeys(PHASES, TIMES | st.just(float("nan")))),
    durations=st.dictionaries(
        st.sampled_from(["total", "db", "db_wait", "db_srv", "llm", "llm_srv", "x_srv", "y_wait"]),
        TIMES,
    ),
)
def test_the_parts_are_never_negative_and_sum_to_the_latency(phases, durations):
    timing = ", ".join(f"{name};dur={value!r}" for name, value in durations.items())
    samples = _samples(phases | {"server_timing": timing})

    parts = parts_of(samples)

    latency = samples[["blocked_ms", "sending_ms", "waiting_ms", "receiving_ms"]].sum(axis=1)
    assert parts.to_numpy().min() >= 0
    assert np.allclose(parts.sum(axis=1), latency, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vector_gap", Owner("vector", Role.GAP)),
        ("big_db_wait", Owner("big_db", Role.WAIT)),
        ("srv_srv", Owner("srv", Role.SRV)),
        ("app_self", Owner("app", Role.SELF)),
        ("receive", Owner("network", Role.TRANSFER)),
        ("srv", Owner("srv", Role.SELF)),
    ],
)
def test_a_parts_name_tells_whose_time_it_is(name, expected):
    assert Part(name).owner == expected
    assert Part(name) == name
    assert Part(name).is_of_call == (expected.role in {Role.GAP, Role.WAIT, Role.SRV})


def test_parts_are_read_back_from_a_file_as_what_they_were():
    step = SweepStep(
        scenario=Scenario.RAG,
        users=1,
        samples=1,
        throughput_per_s=1,
        mean_ms=3,
        p95_ms=None,
        error_rate=0,
        parts={"db_wait": 1.0, "receive": 2.0},
    )

    read = SweepStep.model_validate_json(step.model_dump_json())

    assert read == step
    assert [part.owner.service for part in read.parts] == ["db", "network"]
