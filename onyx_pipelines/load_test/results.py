"""What a load test found. Produced by the analysis, shown by the report, the checks and the API.

Pure data. Times are milliseconds, rates per second, shares 0 to 1; `None` always means "not known",
never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onyx_pipelines.load_test.facts import Fact, RemedyKind, Value
from onyx_pipelines.load_test.part import Part, Role


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Scenario(StrEnum):
    """The spec's scenarios."""

    CHAT = "chat"
    RAG = "rag"
    AGENT_TASKS = "agent_tasks"


class Block(StrEnum):
    """A part of the run plan; the warm-up is never analysed."""

    WARM_UP = "warm_up"
    BASELINE = "baseline"
    SWEEP = "sweep"
    OPEN = "open"


class Measure(StrEnum):
    """What of a request is timed: until the first token, until the last byte, or a retrieval."""

    FIRST_TOKEN = "first_token"  # noqa: S105  (no secret)
    FULL_ANSWER = "full_answer"
    RETRIEVAL = "retrieval"


class LoadVerdict(StrEnum):
    """INCONCLUSIVE: the samples do not decide it. INVALID: the run proves nothing."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class Interval(_Record):
    """A confidence interval; an end that the data do not bound is None."""

    low: float | None
    high: float | None
    confidence: float = 0.95


class Percentile(_Record):
    """`value` None: there are too few samples for it, and `lacking` says how many it takes."""

    q: float
    value: float | None
    interval: Interval | None = None
    lacking: Fact | None = None


class LatencySummary(_Record):
    """One scenario and measure, over all repeats of the baseline block.

    `longest_gap_s`: the longest time without any completion, which a closed test's percentiles
    hide.
    """

    scenario: Scenario
    measure: Measure
    users: int
    repeats: int
    samples: int
    errors: int
    mean_ms: float | None
    max_ms: float | None
    percentiles: tuple[Percentile, ...]
    repeat_p95_ms: tuple[float, ...] = ()
    throughput_per_s: float | None
    error_rate: float | None
    longest_gap_s: float | None = None

    def percentile(self, q: float) -> Percentile | None:
        return next((each for each in self.percentiles if each.q == q), None)


class GateKind(StrEnum):
    """Conditions without which a run proves nothing."""

    WHOLE_PLAN = "whole_plan"
    EVERY_REQUEST = "every_request"
    FEW_ERRORS = "few_errors"
    BUSY_USERS = "busy_users"
    SPARE_CPU = "spare_cpu"
    STEADY_LATENCY = "steady_latency"


class Gate(_Record):
    """Whether one condition holds. `passed` None: it could not be seen."""

    kind: GateKind
    passed: bool | None
    observed: tuple[Fact, ...]
    required: Fact


class Validity(_Record):
    gates: tuple[Gate, ...]

    @property
    def is_valid(self) -> bool:
        return bool(self.gates) and all(gate.passed is not False for gate in self.gates)


class Objective(_Record):
    """One promise of the spec (AC9.6.2) and whether the samples prove it."""

    name: str
    verdict: LoadVerdict
    measured: float | None
    interval: Interval | None
    target: float
    unit: str
    facts: tuple[Fact, ...] = ()


class ServiceLoad(_Record):
    """What one service used during one step. `run_queue_cores`: cores that its threads waited for.

    `pool_busy`, `pool_size`: connections, slots or threads, where the service shows them.
    """

    service: str
    cores: float
    cpu_cores: float | None = None
    run_queue_cores: float | None = None
    throttled_share: float | None = None
    memory_bytes: float | None = None
    memory_peak_bytes: float | None = None
    pool_size: float | None = None
    pool_busy: float | None = None
    pool_waiting: float | None = None

    @property
    def cpu_saturation(self) -> float | None:
        """(CPU + waiting for one) / cores; without the waiting where it is not known."""
        if self.cpu_cores is None:
            return None
        return (self.cpu_cores + (self.run_queue_cores or 0.0)) / self.cores

    @property
    def pool_saturation(self) -> float | None:
        if not self.pool_size or self.pool_busy is None:
            return None
        return self.pool_busy / self.pool_size


class SweepStep(_Record):
    """One number of users. `parts`: exclusive mean milliseconds that sum to `mean_ms`."""

    scenario: Scenario
    users: int
    samples: int
    throughput_per_s: float
    mean_ms: float
    p95_ms: float | None
    error_rate: float
    limited_rate: float = 0.0
    parts: Mapping[Part, float] = Field(default_factory=dict)
    services: tuple[ServiceLoad, ...] = ()

    def call_ms(self, hop: str, *roles: Role) -> float:
        """Of a request, in calls to the hop."""
        return sum(self.parts.get(Part.of_call(hop, role), 0.0) for role in roles)


class Capacity(_Record):
    """A closed queueing model of the sweep: one queue of demand `demand_ms`, all else delay.

    `is_reached` False: the sweep ended before the knee, so `demand_ms` is an upper bound.
    `is_described` False: the model does not fit what was measured, so no knee can be told either.
    """

    scenario: Scenario
    base_ms: float
    demand_ms: float
    max_throughput_per_s: float | None
    knee_users: float | None
    knee_interval: Interval | None
    is_reached: bool
    relative_error: float
    is_described: bool = True
    retrograde: bool = False
    model_users: tuple[float, ...] = ()
    model_throughput_per_s: tuple[float, ...] = ()


class ChangeKind(StrEnum):
    """Of a figure against the baseline; INCONCLUSIVE where the samples do not decide it."""

    REGRESSED = "regressed"
    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    INCONCLUSIVE = "inconclusive"


class Change(_Record):
    """One figure against the baseline: `ratio` above 1 is worse; None: one side has no value.
    `interval` None: of a single repeat. `is_alarm`: beyond 2 times."""

    name: str
    ratio: float | None
    interval: Interval | None
    kind: ChangeKind
    is_alarm: bool = False
    is_gating: bool = False


class Comparison(_Record):
    """Against the promoted baseline of the same environment; None: there is none."""

    baseline_id: str | None
    changes: tuple[Change, ...] = ()


class CauseKind(StrEnum):
    """What limits or slows a request."""

    CPU_SATURATION = "cpu_saturation"
    POOL_EXHAUSTION = "pool_exhaustion"
    CALLER_LIMIT = "caller_limit"
    SERIAL_SECTION = "serial_section"
    SLOW_DEPENDENCY = "slow_dependency"
    RATE_LIMIT = "rate_limit"
    SLOW_NAME_LOOKUP = "slow_name_lookup"
    SLOW_CONNECT = "slow_connect"
    SLOW_TRANSFER = "slow_transfer"
    MEMORY_GROWTH = "memory_growth"
    UNKNOWN = "unknown"


class Cause(_Record):
    """`share`: of the growth of latency (or of latency itself, for causes that load does not
    bring). `demand_ms`: of the queue that it is, where it is one."""

    kind: CauseKind
    service: str
    share: float
    share_interval: Interval | None = None
    confidence: float
    demand_ms: float | None = None
    facts: tuple[Fact, ...] = ()


class PredictedGain(_Record):
    """A figure before and after a remedy, by the queue model."""

    name: str
    unit: str
    now: float
    predicted: float
    interval: Interval | None = None


class Remedy(_Record):
    """`users`: of the step that `gains` are about."""

    cause: CauseKind
    service: str
    kind: RemedyKind
    users: int
    figures: Mapping[str, Value] = Field(default_factory=dict)
    gains: tuple[PredictedGain, ...] = ()


class Attribution(_Record):
    """Why a scenario is as slow as it is. `cause` None: nothing limits it within the sweep.

    `instead`: what is to be said first where that is not the cause. `untold`: what the data do not
    show.
    """

    scenario: Scenario
    cause: Cause | None
    runner_up: Cause | None = None
    next_cause: Cause | None = None
    remedies: tuple[Remedy, ...] = ()
    instead: tuple[Fact, ...] = ()
    untold: tuple[Fact, ...] = ()


class Environment(_Record):
    """Where it ran. `fingerprint` covers what must be equal for two runs to be compared."""

    fingerprint: str
    cpu_model: str
    cores: int
    memory_bytes: int
    k6_version: str
    script_digest: str
    target: str
    llm: str = ""
    facts: Mapping[str, str] = Field(default_factory=dict)


class Alarm(_Record):
    """A threshold that was crossed while the test ran."""

    at: AwareDatetime
    name: str
    text: str


class LoadTestResult(_Record):
    """One whole load test."""

    run_id: str
    profile: str
    is_baseline_candidate: bool
    target: str
    started_at: AwareDatetime
    finished_at: AwareDatetime
    generator_s: float
    environment: Environment
    validity: Validity
    summaries: tuple[LatencySummary, ...] = ()
    objectives: tuple[Objective, ...] = ()
    sweep: tuple[SweepStep, ...] = ()
    capacities: tuple[Capacity, ...] = ()
    comparison: Comparison = Comparison(baseline_id=None)
    attributions: tuple[Attribution, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    peak_memory_bytes: float | None = None
    attempts: int = 1

    @property
    def verdict(self) -> LoadVerdict:
        """INVALID before all else; then the worst of the objectives."""
        if not self.validity.is_valid:
            return LoadVerdict.INVALID
        verdicts = {objective.verdict for objective in self.objectives}
        for verdict in (LoadVerdict.FAILED, LoadVerdict.INVALID, LoadVerdict.INCONCLUSIVE):
            if verdict in verdicts:
                return verdict
        return LoadVerdict.PASSED if verdicts else LoadVerdict.INCONCLUSIVE

    @property
    def duration_s(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()
