"""How full each service was at each number of users: the rows of the heat map. Pure."""

from __future__ import annotations

from onyx_pipelines.load_test.capacity.fitting import steps_of
from onyx_pipelines.load_test.results import LoadTestResult, Scenario, ServiceLoad, SweepStep


def fullness(result: LoadTestResult, scenario: Scenario) -> dict[str, list[float | None]]:
    """Shares of a service's CPU, pool and the machine's memory by step, the fewest users first.

    What no step knows has no row.
    """
    steps = steps_of(result.sweep, scenario)
    machine_bytes = result.environment.memory_bytes
    found: dict[str, list[float | None]] = {}
    for service in dict.fromkeys(load.service for step in steps for load in step.services):
        loads = [_of(step, service) for step in steps]
        found[f"{service} CPU"] = [load.cpu_saturation if load else None for load in loads]
        found[f"{service} pool"] = [load.pool_saturation if load else None for load in loads]
        found[f"{service} memory"] = [_memory_share(load, machine_bytes) for load in loads]
    return {name: row for name, row in found.items() if any(value is not None for value in row)}


def _memory_share(load: ServiceLoad | None, machine_bytes: int) -> float | None:
    if load is None or load.memory_bytes is None or machine_bytes <= 0:
        return None
    return load.memory_bytes / machine_bytes


def _of(step: SweepStep, service: str) -> ServiceLoad | None:
    return next((load for load in step.services if load.service == service), None)
