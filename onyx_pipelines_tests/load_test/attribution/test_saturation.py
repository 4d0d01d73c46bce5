"""What counts as full: CPU with the wait for it, throttling, pools, memory that only rises."""

import numpy as np
import pandas as pd
import pytest

from onyx_pipelines.load_test.attribution.saturation import (
    Window,
    demands,
    is_cpu_saturated,
    is_thread_full,
    memory_growths,
    neighbour_cores,
    saturated_services,
)
from onyx_pipelines.load_test.results import Scenario, ServiceLoad, SweepStep
from onyx_pipelines.load_test.samples import TELEMETRY_COLUMNS

MEGABYTE = 1e6


def _load(service="app", **values):
    return ServiceLoad(service=service, **({"cores": 1.0} | values))


def _step(*services, **values):
    return SweepStep(
        **(
            {
                "scenario": Scenario.RAG,
                "users": 8,
                "samples": 100,
                "throughput_per_s": 50.0,
                "mean_ms": 160.0,
                "p95_ms": None,
                "error_rate": 0.0,
                "services": services,
            }
            | values
        )
    )


def _memory(service, bytes_per_second):
    seconds = np.arange(len(bytes_per_second), dtype=float)
    rows = {"at_ms": seconds * 1000, "service": service, "memory_bytes": bytes_per_second}
    return pd.DataFrame(rows).reindex(columns=list(TELEMETRY_COLUMNS))


WINDOWS = tuple(Window(at * 10_000, at * 10_000 + 9_999, 100) for at in range(6))


@pytest.mark.parametrize(
    ("load", "is_full"),
    [
        (_load(cpu_cores=0.95), True),
        (_load(cpu_cores=0.46, run_queue_cores=0.53), True),
        (_load(cpu_cores=0.3, throttled_share=0.4), True),
        (_load(cpu_cores=0.7), False),
        (_load(cpu_cores=1.0, cores=4.0), False),
        (_load(), False),
    ],
)
def test_a_cpu_is_full_by_use_and_by_waiting_for_it(load, is_full):
    assert is_cpu_saturated(load) is is_full


@pytest.mark.parametrize(
    ("load", "is_full"),
    [
        (_load(cpu_cores=0.97, cores=4.0), True),
        (_load(cpu_cores=0.5, cores=4.0), False),
        (_load(cpu_cores=1.6, cores=4.0), False),
        (_load(cpu_cores=0.97, cores=1.0), False),
        (_load(cores=4.0), False),
    ],
)
def test_one_full_core_of_several_is_a_full_thread(load, is_full):
    assert is_thread_full(load) is is_full


def test_neither_the_generator_nor_the_host_is_a_service_under_test():
    step = _step(_load("k6", cpu_cores=1.0), _load("host", cpu_cores=1.0))

    assert saturated_services(step) == ()


def test_demand_is_utilisation_over_throughput_of_all_requests():
    step = _step(_load(cpu_cores=0.5), throughput_per_s=40.0, error_rate=0.2)

    assert demands(step)[0].demand_ms == pytest.approx(10.0)


def test_a_host_full_of_strangers_is_told_from_a_host_that_we_fill():
    ours = _load(cpu_cores=0.4, run_queue_cores=0.6)
    strangers = _step(ours, _load("host", cores=2.0, cpu_cores=2.0))
    nobody_else = _step(
        _load(cpu_cores=1.9, cores=2.0, run_queue_cores=0.6),
        _load("host", cores=2.0, cpu_cores=2.0),
    )

    assert neighbour_cores([strangers]) == pytest.approx(1.6)
    assert neighbour_cores([nobody_else]) is None


def test_memory_that_rises_within_every_step_is_a_growth():
    telemetry = _memory("app", 300 * MEGABYTE + np.arange(60) * 2 * MEGABYTE)

    (growth,) = memory_growths(telemetry, WINDOWS)

    assert growth.service == "app"
    assert growth.bytes_per_request == pytest.approx(0.2 * MEGABYTE, rel=0.05)


def test_memory_that_rises_only_from_step_to_step_is_no_leak():
    telemetry = _memory("app", 300 * MEGABYTE + np.repeat(np.arange(6), 10) * 50 * MEGABYTE)

    assert memory_growths(telemetry, WINDOWS) == ()


def test_a_cache_that_fills_and_levels_off_is_no_leak():
    filled = 300 * MEGABYTE + 200 * MEGABYTE * (1 - np.exp(-np.arange(60) / 6))

    assert memory_growths(_memory("app", filled), WINDOWS) == ()


def test_the_generators_memory_is_its_own_affair():
    telemetry = _memory("k6", 300 * MEGABYTE + np.arange(60) * 5 * MEGABYTE)

    assert memory_growths(telemetry, WINDOWS) == ()


def test_unknown_memory_is_no_growth():
    assert memory_growths(_memory("app", np.full(60, np.nan)), WINDOWS) == ()
