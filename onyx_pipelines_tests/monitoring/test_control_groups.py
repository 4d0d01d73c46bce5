"""The kernel's figures of a control group are read from either version of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from onyx_pipelines.sandbox.monitoring.control_groups import Figures, figures, path_of

V1: Final = {
    "memory/docker/a/memory.usage_in_bytes": "5000\n",
    "memory/docker/a/memory.limit_in_bytes": "9223372036854771712\n",
    "memory/docker/a/memory.stat": "inactive_file 1\ntotal_inactive_file 2000\n",
    "cpuacct/docker/a/cpuacct.usage_percpu": "1500000000 500000000 \n",
    "cpu/docker/a/cpu.cfs_quota_us": "-1\n",
    "cpu/docker/a/cpu.cfs_period_us": "100000\n",
}
V2: Final = {
    "docker/a/memory.current": "5000\n",
    "docker/a/memory.max": "8000\n",
    "docker/a/memory.stat": "anon 4\ninactive_file 2000\n",
    "docker/a/cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
    "docker/a/cpu.max": "50000 100000\n",
}


def made(files: dict[str, str], root: Path) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_of_version_1_without_limits(tmp_path: Path) -> None:
    found = figures("/docker/a", made(V1, tmp_path))

    assert found == Figures({"cpu00": 1.5, "cpu01": 0.5}, 5000, 3000, 0, None, 100_000)


def test_of_version_2_with_limits(tmp_path: Path) -> None:
    found = figures("/docker/a", made(V2, tmp_path))

    assert found == Figures({"total": 1.5}, 5000, 3000, 8000, 50_000, 100_000)


def test_of_version_2_without_limits(tmp_path: Path) -> None:
    unlimited = {"docker/a/memory.max": "max\n", "docker/a/cpu.max": "max 100000\n"}

    found = figures("/docker/a", made(V2 | unlimited, tmp_path))

    assert (found.limit_bytes, found.quota_us) == (0, None)


def test_a_process_names_its_group_in_either_version(tmp_path: Path) -> None:
    v1 = "4:memory:/docker/a\n1:cpu,cpuacct:/docker/b\n0::/\n"
    made({"1/cgroup": v1, "2/cgroup": "0::/docker/a:b\n"}, tmp_path)

    assert path_of(1, tmp_path) == "/docker/a"
    assert path_of(2, tmp_path) == "/docker/a:b"
