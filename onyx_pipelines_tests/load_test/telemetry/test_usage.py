"""Processes of this machine are watched, as those of a stack would be."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.load_test.samples import TELEMETRY_COLUMNS
from onyx_pipelines.load_test.telemetry.cgroup_usage import cores_of_cgroup, usage_of_cgroup
from onyx_pipelines.load_test.telemetry.pool_gauges import parse_pool, read_pool
from onyx_pipelines.load_test.telemetry.process_usage import (
    parents_of_all,
    tree_of,
    usage_of_process,
)
from onyx_pipelines.load_test.telemetry.sampling import Sampler
from onyx_pipelines.load_test.telemetry.services import WatchedService, parse_services
from onyx_pipelines_tests.waiting import wait_until

_BURN = "while True: pass"
_SLEEP = "import time; block = b'x' * (40 << 20); time.sleep(60)"
_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_BURN!r}])"


@pytest.mark.parametrize("name", [b"x\x1cVmHWM: 1 kB", b"x\x0cVmHWM: 1 kB", b"\xff\xfe"])
def test_a_process_may_have_any_name(name: bytes) -> None:
    renamed = f"import ctypes; ctypes.CDLL(None).prctl(15, {name!r}); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", renamed], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        usage = usage_of_process(child.pid)
        child.kill()

    assert usage is not None
    assert usage.memory_peak_bytes is not None
    assert usage.memory_peak_bytes > 1024 * 1024


@pytest.mark.measures
def test_a_process_that_burns_uses_a_core_and_one_that_sleeps_none() -> None:
    with (
        subprocess.Popen([sys.executable, "-c", _BURN]) as burning,
        subprocess.Popen([sys.executable, "-c", _SLEEP]) as sleeping,
    ):
        try:
            services = (
                WatchedService("burning", pid=burning.pid),
                WatchedService("sleeping", pid=sleeping.pid),
            )
            with Sampler(services) as sampler:
                time.sleep(3.4)
            table = sampler.table
        finally:
            burning.kill()
            sleeping.kill()

    means = table.groupby("service").mean(numeric_only=True)
    # CPU and waiting for one: how much of it is CPU depends on what else this machine does.
    used = means["cpu_cores"] + means["run_queue_cores"]
    assert 0.8 < used["burning"] < 1.2
    assert used["sleeping"] < 0.2
    assert means.loc["sleeping", "memory_bytes"] > 40 << 20
    assert means.loc["sleeping", "memory_peak_bytes"] > 40 << 20
    assert {"host"} < set(means.index)
    assert {name: str(kind) for name, kind in table.dtypes.items()} == {
        name: ("float64" if kind == "float64" else "str")
        for name, kind in TELEMETRY_COLUMNS.items()
    }


def test_children_belong_to_their_service() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], start_new_session=True) as parent:
        try:
            wait_until(lambda: len(tree_of([parent.pid], parents_of_all())) == 2, "it has a child")
            child = next(
                pid for pid in tree_of([parent.pid], parents_of_all()) if pid != parent.pid
            )
            wait_until(
                lambda: (usage := usage_of_process(child)) and usage.cpu_s > 0.05, "it uses a CPU"
            )
        finally:
            os.killpg(parent.pid, 9)


def test_a_process_that_is_gone_has_no_usage() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as short:
        pass

    assert usage_of_process(short.pid) is None
    assert tree_of([short.pid], parents_of_all()) == set()


@given(st.dictionaries(st.integers(1, 30), st.integers(0, 30), max_size=30), st.integers(1, 30))
def test_a_tree_has_its_root_and_every_child_of_its_members(
    parents: dict[int, int], root: int
) -> None:
    found = tree_of([root], parents)

    assert (root in found) == (root in parents)
    assert all(pid in found for pid, parent in parents.items() if parent in found)


def test_a_control_group_is_read(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nthrottled_usec 500000\n")
    (tmp_path / "cpu.pressure").write_text("some avg10=0.00 avg60=0.00 total=1250000\nfull x\n")
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.peak").write_text("1500\n")
    (tmp_path / "memory.stat").write_text("anon 700\ninactive_file 300\n")
    (tmp_path / "cpu.max").write_text("150000 100000\n")

    usage = usage_of_cgroup(tmp_path)

    assert usage is not None
    assert (usage.cpu_s, usage.run_queue_s, usage.throttled_s) == (2.5, 1.25, 0.5)
    assert (usage.memory_bytes, usage.memory_peak_bytes) == (700, 1500)
    assert cores_of_cgroup(tmp_path, 4) == 1.5


def test_a_control_group_that_is_not_there_has_no_usage(tmp_path: Path) -> None:
    assert usage_of_cgroup(tmp_path / "none") is None
    assert cores_of_cgroup(tmp_path / "none", 4) == 4


def test_pools_are_read_from_a_metrics_page() -> None:
    pool = parse_pool(
        "onyx_db_pool_size{engine='a'} 10\nonyx_db_pool_size{engine='b'} 5\n".replace("'", '"')
        + "onyx_db_pool_checked_out 7\n"
    )

    assert pool is not None
    assert (pool.size, pool.busy, pool.waiting) == (15, 7, None)


def test_a_page_without_a_pool_or_no_page_is_no_pool() -> None:
    assert parse_pool("up 1\n") is None
    with httpx.Client(trust_env=False) as client:
        assert read_pool(client, "http://127.0.0.1:1/metrics") is None


def test_services_are_read_from_their_setting() -> None:
    found = parse_services(
        {"app": "pidfile:/run/app.pid metrics:http://127.0.0.1:1/metrics", "db": "cgroup:/sys/x"}
    )

    assert found == (
        WatchedService(
            "app", pid_file=Path("/run/app.pid"), metrics_url="http://127.0.0.1:1/metrics"
        ),
        WatchedService("db", cgroup=Path("/sys/x")),
    )


@pytest.mark.parametrize("text", ["", "12", "pid:x", "pid:1 pid:2", "colour:red"])
def test_a_service_that_is_not_understood_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="of app is not understood"):
        parse_services({"app": text})
