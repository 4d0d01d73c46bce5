"""The same of a container, from its control group (Linux, cgroup v2)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from onyx_pipelines.load_test.telemetry.process_usage import Usage

_US_PER_S: Final = 1e6


def usage_of_cgroup(folder: Path) -> Usage | None:
    """None where there is no such group."""
    cpu = _keyed(folder / "cpu.stat")
    if "usage_usec" not in cpu:
        return None
    memory = _keyed(folder / "memory.stat")
    current, peak = _number(folder / "memory.current"), _number(folder / "memory.peak")
    if current is not None:
        # What the kernel can drop at once is no working set.
        current -= memory.get("inactive_file", 0.0)
    return Usage(
        cpu_s=cpu["usage_usec"] / _US_PER_S,
        run_queue_s=_pressure_s(folder / "cpu.pressure"),
        throttled_s=cpu["throttled_usec"] / _US_PER_S if "throttled_usec" in cpu else None,
        memory_bytes=current,
        memory_peak_bytes=peak,
    )


def cores_of_cgroup(folder: Path, host_cores: int) -> float:
    """Its CPU limit, or the host's cores."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            return min(float(host_cores), int(quota) / int(period))
    return float(host_cores)


def _pressure_s(path: Path) -> float | None:
    """Time in which some task waited for a CPU: less than what all of them waited together."""
    with suppress(OSError, ValueError, IndexError):
        some = path.read_text(encoding="ascii").splitlines()[0]
        return int(some.rpartition("total=")[2]) / _US_PER_S
    return None


def _keyed(path: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    with suppress(OSError):
        for line in path.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            with suppress(ValueError):
                found[name] = float(value)
    return found


def _number(path: Path) -> float | None:
    with suppress(OSError, ValueError):
        return float(path.read_text(encoding="ascii"))
    return None
