"""The queueing network: known closed forms, and bounds that hold for every network."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onyx_pipelines.load_test.attribution.queueing import Network, Station

STATIONS = st.builds(
    Station, name=st.just("any"), servers=st.integers(1, 8), service_ms=st.floats(0.1, 500)
)
NETWORKS = st.builds(
    Network,
    stations=st.lists(STATIONS, max_size=4).map(tuple),
    delay_ms=st.floats(0.1, 5000),
)


def _exact_mva_ms(delay_ms: float, demand_ms: float, users: int) -> float:
    """Mean value analysis of one queue and a delay, by its recursion."""
    queued = 0.0
    for count in range(1, users + 1):
        response_ms = demand_ms * (1 + queued)
        queued = count / (delay_ms + response_ms) * response_ms
    return delay_ms + response_ms


@pytest.mark.parametrize("users", [1, 2, 8, 32, 200])
def test_one_queue_and_a_delay_equal_mean_value_analysis(users):
    network = Network((Station("lock", 1, 20.0),), 180.0)

    assert network.mean_ms(users) == pytest.approx(_exact_mva_ms(180.0, 20.0, users), rel=1e-9)


def test_balanced_queues_alone_have_their_closed_form():
    network = Network((Station("a", 1, 10.0), Station("b", 1, 10.0), Station("c", 1, 10.0)), 0.0)

    assert network.mean_ms(16) == pytest.approx(10.0 * (16 + 2))


def test_as_many_servers_as_users_make_a_delay():
    network = Network((Station("pool", 16, 50.0),), 100.0)

    assert network.mean_ms(16) == pytest.approx(150.0)


def test_a_rush_on_two_servers_is_bound_by_both():
    network = Network((Station("pool", 2, 50.0),), 150.0)

    assert network.mean_ms(200) == pytest.approx(200 * 25.0, rel=0.01)


@settings(deadline=None, max_examples=80)
@given(NETWORKS, st.integers(1, 300))
def test_latency_lies_between_the_asymptotic_bound_and_everyone_in_one_line(network, users):
    mean_ms = network.mean_ms(users)

    assert math.isfinite(mean_ms)
    assert mean_ms >= network.mean_at_best_ms(users) * (1 - 1e-9)
    assert mean_ms <= users * network.base_ms * (1 + 1e-9)


@settings(deadline=None, max_examples=50)
@given(NETWORKS)
def test_latency_never_falls_with_more_users(network):
    means = np.array([network.mean_ms(users) for users in (1, 2, 5, 20, 100)])

    assert (np.diff(means) >= -1e-6 * means[1:]).all()


def test_an_empty_network_takes_no_time():
    assert Network((), 0.0).mean_ms(8) == 0.0
