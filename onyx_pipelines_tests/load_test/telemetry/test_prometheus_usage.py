"""What services used, as a real Prometheus has scraped it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from onyx_pipelines.core.errors import SettingsError, SourceError
from onyx_pipelines.load_test.telemetry.prometheus_usage import gauge_on, rate_on, usage_between
from onyx_pipelines.load_test.telemetry.services import parse_services
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines_tests.attacks.odd_documents import NO_DOCUMENTS
from onyx_pipelines_tests.prometheus_server import PrometheusServer, prometheus
from onyx_pipelines_tests.vault.stores.nonsense_server import NonsenseServer, http

GAINS = st.lists(st.floats(0, 50), min_size=1, max_size=20)


def counter(gains: list[float], every_s: float = 15.0) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(gains) + 1) * every_s, np.concatenate([[0.0], np.cumsum(gains)])


class TestRates:
    @given(GAINS, st.floats(1, 60))
    def test_a_second_between_two_scrapes_has_their_mean(
        self, gains: list[float], every_s: float
    ) -> None:
        times, values = counter(gains, every_s)
        middles = (times[1:] + times[:-1]) / 2

        assert_allclose(rate_on(middles, [(times, values)]), np.array(gains) / every_s, atol=1e-9)

    def test_a_counter_that_started_anew_gained_what_it_shows(self) -> None:
        series = (np.array([0.0, 10.0, 20.0]), np.array([100.0, 110.0, 4.0]))

        assert_allclose(rate_on(np.array([5.0, 15.0]), [series]), [1.0, 0.4])

    def test_before_the_first_and_after_the_last_scrape_nothing_is_known(self) -> None:
        series = counter([15.0])

        assert np.isnan(rate_on(np.array([-1.0, 16.0]), [series])).all()
        assert np.isnan(rate_on(np.array([1.0]), [])).all()

    def test_instances_are_summed_and_one_that_is_missing_is_no_zero(self) -> None:
        short = counter([15.0])
        long = counter([30.0, 30.0])

        assert_allclose(rate_on(np.array([5.0, 20.0]), [short, long]), [3.0, 2.0])

    def test_a_gauge_holds_until_the_next_scrape(self) -> None:
        series = (np.array([0.0, 15.0]), np.array([7.0, 9.0]))

        assert_allclose(gauge_on(np.array([-1.0, 1.0, 14.9, 15.0]), [series]), [np.nan, 7, 7, 9])


@pytest.fixture(scope="module")
def scraping(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusServer]:
    target = sandbox.app.url.removeprefix("http://")
    jobs = {"onyx": {"static_configs": [{"targets": [target]}]}}
    with prometheus(tmp_path_factory.mktemp("prometheus"), jobs) as server:
        server.wait_for("process_cpu_seconds_total")
        yield server


def cpu_seconds(client: httpx.Client) -> float:
    (line,) = (
        each
        for each in client.get("/metrics").text.splitlines()
        if each.startswith("process_cpu_seconds_total ")
    )
    return float(line.split()[1])


@pytest.mark.measures
def test_a_busy_service_is_seen_busy(scraping: PrometheusServer, sandbox_alone: Sandbox) -> None:
    services = parse_services({"app": "job:onyx"})
    sandbox_alone.app.set_faults(cpu_burn_ms=50)
    begun = time.time()
    with (
        httpx.Client(base_url=sandbox_alone.app.url, trust_env=False, timeout=30) as client,
        ThreadPoolExecutor(4) as threads,
    ):
        before_s = cpu_seconds(client)
        while time.time() - begun < 5:
            list(
                threads.map(lambda _: client.post("/api/rag/search", json={"query": "x"}), range(8))
            )
        ended = time.time()
        busy_cores = (cpu_seconds(client) - before_s) / (ended - begun)
    time.sleep(1.5)

    used = usage_between(scraping.url, services, begun, ended, cores=2)

    assert set(used["service"]) == {"app"}
    # What the application says of itself: how much it gets, the machine's other work decides.
    # A scrape or two at either end are of idle seconds.
    assert busy_cores > 0.05
    assert 0.5 * busy_cores < used["cpu_cores"].mean() < 1.2 * busy_cores
    assert used["memory_bytes"].median() > 50e6
    assert used["pool_size"].median() >= 1
    assert used["at_ms"].max() >= (ended - 1) * 1000


@pytest.fixture
def container(tmp_path: Path) -> Iterator[PrometheusServer]:
    """Metrics as cAdvisor names them: one container, half a core of a limit of one and a half."""
    registry = CollectorRegistry()
    labels = ["name", "cpu"]
    cpu = Counter("container_cpu_usage_seconds", "CPU.", labels, registry=registry)
    memory = Gauge("container_memory_working_set_bytes", "M.", ["name"], registry=registry)
    quota = Gauge("container_spec_cpu_quota", "Q.", ["name"], registry=registry)
    period = Gauge("container_spec_cpu_period", "P.", ["name"], registry=registry)
    memory.labels("db").set(3e8)
    quota.labels("db").set(150_000)
    period.labels("db").set(100_000)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    stop = threading.Event()

    def work() -> None:
        before = time.monotonic()
        while not stop.wait(0.05):
            now = time.monotonic()
            cpu.labels("db", "total").inc((now - before) / 2)
            cpu.labels("db", "cpu00").inc((now - before) / 2)
            before = now

    working = threading.Thread(target=work)
    working.start()
    target = f"127.0.0.1:{server.server_address[1]}"
    jobs = {"cadvisor": {"static_configs": [{"targets": [target]}]}}
    with prometheus(tmp_path / "prometheus", jobs) as found:
        yield found
    stop.set()
    working.join()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.measures
def test_a_container_is_seen_once_and_within_its_limit(container: PrometheusServer) -> None:
    container.wait_for('rate(container_cpu_usage_seconds_total{cpu="total"}[1m])')
    begun = time.time()
    time.sleep(3.5)

    used = usage_between(
        container.url, parse_services({"db": "container:db"}), begun, time.time() - 1, cores=8
    )

    assert set(used["service"]) == {"db"}
    assert 0.4 < used["cpu_cores"].median() < 0.6
    assert set(used["cores"]) == {1.5}
    assert set(used["memory_bytes"]) == {3e8}


def test_a_service_that_prometheus_does_not_know_has_no_rows(scraping: PrometheusServer) -> None:
    services = parse_services({"db": "container:supabase-db"})

    used = usage_between(scraping.url, services, time.time() - 5, time.time(), cores=2)

    assert used.empty


def test_a_prometheus_that_is_down_is_named() -> None:
    services = parse_services({"app": "job:onyx"})

    with pytest.raises(SourceError, match="ONYX_PROMETHEUS_URL"):
        usage_between("http://127.0.0.1:9", services, 0, 1, cores=2)


@pytest.mark.parametrize(
    "answer",
    [
        *NO_DOCUMENTS,
        *(b'{"data": []}', b'{"data": {"result": [5]}}', b'{"data": {"result": [{"metric": []}]}}'),
        b'{"data": {"result": [{"metric": {}, "values": []}]}}',
        b'{"data": {"result": [{"metric": {}, "values": [[1, "many"]]}]}}',
    ],
)
def test_what_is_no_answer_of_prometheus_is_one_error(answer: bytes) -> None:
    services = parse_services({"app": "job:onyx"})

    with (
        NonsenseServer(lambda *_: http(200, answer)) as server,
        pytest.raises(SourceError, match="another form"),
    ):
        usage_between(server.location.endpoint_url or "", services, 0, 1, cores=2)


def test_one_service_is_asked_for_in_one_way() -> None:
    with pytest.raises(SettingsError):
        parse_services({"app": "job:onyx container:onyx"})
