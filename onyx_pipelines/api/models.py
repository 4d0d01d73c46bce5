"""What is sent and answered: names, types and enums of the spec, and what goes beyond it."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Literal

from fastapi import Path
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
)

from onyx_pipelines.api.texts import Reason
from onyx_pipelines.load_test.results import Scenario
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.layout import BACKUP_ID_PATTERN
from onyx_pipelines.vault.manifest import BackupType

BackupId = Annotated[str, Path(pattern=BACKUP_ID_PATTERN, description="A lower-case UUID.")]
RunId = Annotated[str, Path(pattern=r"^[0-9a-f-]{8,36}$")]


def whole_minutes(seconds: float) -> int:
    return max(1, math.ceil(seconds / 60))


def _is_number(value: object) -> object:
    """5.0 is a whole number in JSON; "5" and true are none."""
    if isinstance(value, bool | str):
        raise ValueError("Input should be a whole number")
    return value


WholeNumber = Annotated[int, BeforeValidator(_is_number)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TriggerRequest(_Request):
    backup_type: BackupType = BackupType.DAILY
    components: tuple[Component, ...] = Field(
        default=(), max_length=3, description="None: all that are configured."
    )


class TriggerAnswer(BaseModel):
    backup_id: str
    status: Literal["started", "already_running"]


class BackupStatus(BaseModel):
    """`warnings`: of a backup that completed with some, and what damaged a set since."""

    backup_id: str
    status: Literal["in_progress", "completed", "failed"]
    progress: float = Field(ge=0, le=100)
    components_completed: list[Component]
    warnings: list[str] = []


class RestoreRequest(_Request):
    confirm: StrictBool = Field(
        examples=[False], description="False: nothing is changed, and the plan is answered."
    )
    components: tuple[Component, ...] = Field(default=(), max_length=3, description="None: all.")


class PlannedStep(BaseModel):
    component: Component
    what: str
    target: str
    overwrites: bool
    detail: str


class RestoreAnswer(BaseModel):
    restore_id: str
    estimated_time_minutes: int | None = Field(
        description="As drills measured it, scaled by size; null: no drill has."
    )
    estimate_basis: str
    plan: list[PlannedStep]


class RunState(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class RunAnswer(BaseModel):
    run_id: str
    status: RunState
    job: str = ""


class PostgresqlAnswer(BaseModel):
    """Sizes are of sealed objects, in GB of 10^9 bytes."""

    size_gb: float
    checksum: str
    tables_count: int | None


class QdrantAnswer(BaseModel):
    size_gb: float
    vector_count: int | None
    collections_count: int | None


class VolumeAnswer(BaseModel):
    volume_name: str
    size_gb: float
    file_count: int | None


class SetAnswer(BaseModel):
    """The spec's `backup_metadata`, and where the set is. `components`: postgresql, qdrant, and
    each volume by its name."""

    backup_id: str
    timestamp: AwareDatetime
    backup_type: BackupType
    components: dict[str, PostgresqlAnswer | QdrantAnswer | VolumeAnswer]
    status: Literal["in_progress", "completed", "failed"]
    retention_days: int
    warnings: list[str]
    size_bytes: int
    stores: list[str]
    held: bool
    hold_reason: str | None
    last_verified_at: AwareDatetime | None
    last_drill_passed_at: AwareDatetime | None
    retained_as: str | None


class FaultySetAnswer(BaseModel):
    """What one store has of a set, and what is wrong with it."""

    backup_id: str
    store: str
    problem: str


class SetsAnswer(BaseModel):
    """`sets`: those that some store has whole, `total` of them. `damaged` and `untrusted`: all
    that a person should look at."""

    sets: list[SetAnswer]
    total: int
    damaged: list[FaultySetAnswer]
    untrusted: list[FaultySetAnswer]


class HoldRequest(_Request):
    reason: Reason


class CloseRequest(_Request):
    reason: Reason | Literal[""] = ""


class VerifyRequest(_Request):
    store: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{0,40}$")] = Field(
        default="", description="A store's name: `local`, `offsite`. Empty: every store."
    )
    deep: StrictBool = Field(default=False, description="Unseal every object too.")


class ChannelAnswer(BaseModel):
    """A way to people. `given_up`: messages that it never took."""

    name: str
    last_success: AwareDatetime | None
    last_error: str
    last_error_at: AwareDatetime | None
    pending: int
    given_up: int


class ChannelsAnswer(BaseModel):
    channels: list[ChannelAnswer]


class LoadTestRequest(_Request):
    concurrent_users: WholeNumber = Field(default=20, ge=1, le=1000)
    duration_seconds: WholeNumber = Field(default=15, ge=1, le=600, description="Of each step.")
    scenario: Scenario = Scenario.CHAT


class LoadTestAnswer(BaseModel):
    test_id: str
    estimated_duration_minutes: int


class LoadTestMetrics(BaseModel):
    avg_latency_ms: float | None
    p95_latency_ms: float | None
    requests_per_second: float | None
    error_rate: float | None
    peak_memory_gb: float | None


class LoadTestResults(BaseModel):
    test_id: str
    status: RunState
    metrics: LoadTestMetrics | None
    verdict: str | None = None


class PromoteRequest(_Request):
    test_id: str = Field(pattern=r"^[0-9a-f]{8,36}(-[0-9a-f]{4}){0,4}(-[0-9a-f]{0,12})?$")
    reason: Reason | Literal[""] = ""


class BaselineAnswer(BaseModel):
    baseline_id: str
    run_key: str
    promoted_by: str


class MetricsHealth(BaseModel):
    """`services_reporting`: those of which every target answered its last scrape."""

    prometheus_scraping: bool
    last_scrape: AwareDatetime | None
    services_reporting: list[str]
    metrics_count: int


class MetricsSummary(BaseModel):
    """Null: Prometheus knows nothing of it."""

    uptime_percentage: float | None
    avg_response_time_ms: float | None
    error_rate_percent: float | None
    active_users: int | None
    tasks_completed_today: int | None


class Health(BaseModel):
    status: Literal["ok"] = "ok"
    version: str
    stacks: list[str] | None = None
