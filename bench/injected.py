"""Injected faults in the real sandbox: does the analysis name the service, and the exact cause?

Real k6, PostgreSQL, application; nothing of the rules was fitted to these switches. A healthy run
must have no culprit.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.table import Line, say
from onyx_pipelines.load_test.analysis.result import attributions_of, capacities_of
from onyx_pipelines.load_test.analysis.sweep import sweep_steps
from onyx_pipelines.load_test.baselines import Baseline
from onyx_pipelines.load_test.k6.binary import find_k6
from onyx_pipelines.load_test.plan import Profile, plan
from onyx_pipelines.load_test.results import Attribution, CauseKind, Scenario, SweepStep
from onyx_pipelines.load_test.running.environment import describe_environment
from onyx_pipelines.load_test.running.execution import Running, run_units
from onyx_pipelines.load_test.running.run_folder import RunFolder, RunRecord
from onyx_pipelines.load_test.target import Target
from onyx_pipelines.load_test.telemetry.services import WatchedService
from onyx_pipelines.sandbox.app.server import SandboxApp
from onyx_pipelines.sandbox.llm.server import MockModel
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sandbox.sample_vectors import load_sample_vectors

REPEATS = 3
STEP_S = 3.0
HEALTHY_USERS = (1, 2, 4)
LOADED_USERS = (1, 4, 8, 16, 24)


@dataclass(frozen=True)
class Fault:
    name: str
    scenario: Scenario
    kind: CauseKind
    service: str
    app: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    vectors: dict[str, Any] = field(default_factory=dict)
    users: tuple[int, ...] = LOADED_USERS
    step_s: float = STEP_S
    # What is so without the fault too, and is therefore no cause.
    usual: dict[str, Any] = field(default_factory=dict)


FAULTS = (
    Fault("lock", Scenario.RAG, CauseKind.SERIAL_SECTION, "app", app={"lock_ms": 20}),
    Fault(
        "small pool", Scenario.RAG, CauseKind.POOL_EXHAUSTION, "pg",
        app={"pool_size": 2}, usual={"slow_db_ms": 50},
    ),
    Fault("application's CPU", Scenario.RAG, CauseKind.CPU_SATURATION, "app",
          app={"cpu_burn_ms": 12}),
    Fault("vector store's CPU", Scenario.RAG, CauseKind.CPU_SATURATION, "qdrant",
          vectors={"all_cpu_s": 0.015}),
    Fault("slow database", Scenario.AGENT_TASKS, CauseKind.SLOW_DEPENDENCY, "pg",
          app={"slow_db_ms": 200}),
    Fault("slow vector store", Scenario.AGENT_TASKS, CauseKind.SLOW_DEPENDENCY, "qdrant",
          vectors={"all_delay_s": 0.12}),
    Fault("slow model", Scenario.AGENT_TASKS, CauseKind.SLOW_DEPENDENCY, "llm",
          model={"first_token_ms": 600}),
    Fault("slow name lookup of the model", Scenario.AGENT_TASKS, CauseKind.SLOW_DEPENDENCY, "llm",
          app={"slow_dns_ms": 250}),
    Fault("limit of connections to the model", Scenario.AGENT_TASKS, CauseKind.CALLER_LIMIT, "llm",
          app={"caller_limit": 4}),
    Fault("rate limit of the model", Scenario.AGENT_TASKS, CauseKind.RATE_LIMIT, "llm",
          model={"rate_limit_per_s": 20}),
    Fault("leak", Scenario.AGENT_TASKS, CauseKind.MEMORY_GROWTH, "app",
          app={"leak_kb": 1000}, users=HEALTHY_USERS, step_s=6.0),
)  # fmt: skip


@dataclass(frozen=True)
class Bed:
    """The servers, and where runs go."""

    directory: Path
    postgres: PostgresServer
    vectors: QdrantStandIn
    model: MockModel
    app: SandboxApp

    def inject(self, fault: Fault | None) -> None:
        self.app.set_faults(**({**fault.usual, **fault.app} if fault else {}))
        self.model.set_delays(**(fault.model if fault else {}))
        self.vectors.set_faults(**(fault.vectors if fault else {}))

    def explained(
        self,
        name: str,
        scenario: Scenario,
        users: tuple[int, ...],
        before: Baseline | None,
        step_s: float = STEP_S,
    ) -> tuple[Attribution, tuple[SweepStep, ...]]:
        """Run a sweep and explain it."""
        profile = Profile(
            name="injected", scenarios=(scenario,), repeats=1, messages=1, users=4,
            sweep_users=users, step_s=step_s, open_s=0, max_error_rate=1,
        )  # fmt: skip
        folder = RunFolder(self.directory / "runs", name)
        k6, target = find_k6(), Target(self.app.url)
        folder.begin(
            RunRecord(
                run_key=name,
                label=name,
                profile=profile,
                target=target.origin,
                environment=describe_environment(k6, target, profile, "mock", {}),
                started_at=datetime.now(UTC),
            )
        )
        run_units(folder, Running(k6, target, profile, self._services()))
        units = plan(profile)
        samples, telemetry = folder.samples(units), folder.telemetry(units)
        steps = sweep_steps(samples, telemetry)
        (found,) = attributions_of(samples, telemetry, steps, capacities_of(steps), before)
        return found, steps

    def _services(self) -> tuple[WatchedService, ...]:
        return (
            WatchedService(
                "app", pid_file=self.app.pid_path, metrics_url=f"{self.app.url}/metrics"
            ),
            WatchedService("llm", pid_file=self.model.pid_path),
            WatchedService("pg", pid_file=self.postgres.data_dir / "postmaster.pid"),
            WatchedService("qdrant", pid_file=self.vectors.pid_path),
        )


def run(directory: Path) -> list[Line]:
    """The shares that were named rightly."""
    with ExitStack() as stack:
        bed = _bed(directory, stack.callback)
        bed.inject(None)
        baselines = {
            scenario: _baseline(bed, scenario) for scenario in (Scenario.RAG, Scenario.AGENT_TASKS)
        }
        services = causes = 0
        for fault in FAULTS:
            before = baselines[fault.scenario]
            if fault.usual:
                bed.inject(None)
                bed.app.set_faults(**fault.usual)
                before = _baseline(bed, fault.scenario, f"before-{fault.name.replace(' ', '-')}")
            for repeat in range(REPEATS):
                bed.inject(fault)
                name = f"{fault.name.replace(' ', '-')}-{repeat}"
                found, _ = bed.explained(name, fault.scenario, fault.users, before, fault.step_s)
                cause = found.cause
                is_service = cause is not None and cause.service == fault.service
                is_cause = is_service and cause is not None and cause.kind is fault.kind
                services += is_service
                causes += is_cause
                mark = "" if is_cause else "   <- WRONG"
                say(f"  {fault.name} #{repeat + 1}: {_blamed(found)}{mark}")
        bed.inject(None)
        blamed = 0
        for repeat in range(REPEATS):
            found, _ = bed.explained(
                f"healthy-{repeat}", Scenario.AGENT_TASKS, HEALTHY_USERS,
                baselines[Scenario.AGENT_TASKS],
            )  # fmt: skip
            blamed += found.cause is not None
            say(f"  healthy #{repeat + 1}: {_blamed(found)}")
    total = len(FAULTS) * REPEATS
    detail = f"{len(FAULTS)} kinds, {REPEATS} times each"
    return [
        Line("injected faults: service missed", 100 * (1 - services / total), 5, "%", detail),
        Line("injected faults: cause missed", 100 * (1 - causes / total), 10, "%", detail),
        Line("healthy runs with a culprit", blamed, 0, "runs", f"of {REPEATS}"),
    ]


def _blamed(found: Attribution) -> str:
    return f"{found.cause.service}: {found.cause.kind.value}" if found.cause else "nothing"


def _bed(directory: Path, callback: Callable[[Callable[[], None]], Any]) -> Bed:
    postgres = PostgresServer(directory / "postgres")
    vectors = QdrantStandIn(directory / "qdrant")
    model, app = MockModel(directory / "llm"), SandboxApp(directory / "app")
    for server in (postgres, vectors, model, app):
        callback(server.stop)
    postgres.start()
    vectors.start()
    load_sample_vectors(vectors.url, documents=300)
    model.start()
    app.start(postgres, vectors.url, model.api_url)
    return Bed(directory, postgres, vectors, model, app)


def _baseline(bed: Bed, scenario: Scenario, name: str = "") -> Baseline:
    _, steps = bed.explained(name or f"before-{scenario.value}", scenario, LOADED_USERS, None)
    return Baseline(
        baseline_id="injected",
        run_key="injected",
        fingerprint="injected",
        promoted_at=datetime.now(UTC),
        promoted_by="bench",
        series={},
        sweep=steps,
    )
