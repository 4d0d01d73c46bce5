"""What stands in for cAdvisor: of a real engine's container, what cAdvisor says of one; rules and
dashboards see the same in both."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.contract import Exposition, blind, read
from onyx_pipelines.monitoring.dashboards.five import dashboards
from onyx_pipelines.monitoring.expression import parsed
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.sandbox.containers.engine import SandboxEngine
from onyx_pipelines.sandbox.monitoring.container_figures import ContainerFigures, OutOfMemory
from onyx_pipelines_tests.docker_engine import engine_host
from onyx_pipelines_tests.docker_world import DockerWorld
from onyx_pipelines_tests.requirements_of_tests import program

RECORDED: Final = Path(__file__).parents[1] / "data" / "metrics" / "cadvisor-0.60.5_docker.txt"
LABELS: Final = {
    "onyx.sandbox": "of-a-test",
    "com.docker.compose.project": "onyx",
    "com.docker.compose.service": "redis",
}
MEMORY: Final = 32 << 20
# Of a rule what it compares; a panel's query as it is.
EXPRESSIONS: Final = {
    **{
        alert.name: parsed(alert.expr).lhs.prettify()
        for group in groups(Thresholds())
        for alert in group.alerts
        if "container_" in alert.expr
    },
    **{
        panel.title: line.expr.replace("$__rate_interval", "1m")
        for board in dashboards(Thresholds())
        for panel in board.panels
        for line in panel.lines
        if "container_" in line.expr
    },
}


@pytest.fixture(scope="module")
def told() -> Iterator[str]:
    """The stand-in's page on one container with limits."""
    host = engine_host()
    with (
        closing(DockerWorld(host, "onyx-test-figures-")) as world,
        SandboxEngine(host) as engine,
    ):
        world.create("redis", labels=LABELS, Memory=MEMORY, NanoCpus=500_000_000)
        label = "onyx.sandbox=of-a-test"
        registry = CollectorRegistry()
        registry.register(ContainerFigures(engine, label, OutOfMemory(engine, label)))
        yield generate_latest(registry).decode()


def test_its_names_and_labels_are_cadvisors(told: str) -> None:
    ours, theirs = read(told).series, read(RECORDED.read_text(encoding="utf-8")).series

    assert {name: labels_of(ours[name]) for name in ours} == {
        name: labels_of(theirs[name]) for name in ours
    }


def labels_of(series: object) -> set[frozenset[str]]:
    return {frozenset(each) for each in series}  # type: ignore[attr-defined]  # of an Exposition


def test_limits_and_figures_are_the_containers(told: str) -> None:
    lines = [line.split(" ") for line in told.splitlines() if line.startswith("container_")]
    values = {line[0].split("{")[0]: float(line[-1]) for line in lines}

    assert values["container_spec_memory_limit_bytes"] == MEMORY
    assert values["container_spec_cpu_quota"] / values["container_spec_cpu_period"] == 0.5
    assert 0 < values["container_memory_working_set_bytes"] <= MEMORY
    assert values["container_oom_events_total"] == 0


@pytest.mark.parametrize("whose", ["cAdvisor", "the stand-in"])
def test_rules_and_panels_on_containers_find_their_figures(
    whose: str, told: str, tmp_path: Path
) -> None:
    text = told if whose == "the stand-in" else RECORDED.read_text(encoding="utf-8")
    exposition = read(text)

    lacking = {name: blind(each, "cadvisor", exposition) for name, each in EXPRESSIONS.items()}
    done = evaluated(exposition, tmp_path)

    assert not any(lacking.values()), lacking
    assert done.returncode == 0, done.stdout + done.stderr


def evaluated(exposition: Exposition, folder: Path) -> subprocess.CompletedProcess[str]:
    """By promtool: does each expression give something?"""
    series = [
        f"{name}{{{','.join(f'{key}={json.dumps(value)}' for key, value in labels.items())}}}"
        for name, found in exposition.series.items()
        if name.startswith("container_")
        for labels in found
    ]
    tests = [
        {
            "interval": "15s",
            "input_series": [{"series": each, "values": "7+0x40"} for each in series],
            "promql_expr_test": [
                {
                    "expr": f"count({expression}) > bool 0",
                    "eval_time": "5m",
                    "exp_samples": [{"labels": "{}", "value": 1}],
                }
                for expression in EXPRESSIONS.values()
            ],
        }
    ]
    # JSON is YAML.
    (folder / "tests.yml").write_text(json.dumps({"tests": tests}))
    return subprocess.run(
        [program("promtool"), "test", "rules", "tests.yml"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
