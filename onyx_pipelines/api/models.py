"""What is sent and answered: names, types and enums of the spec, and what goes beyond it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onyx_pipelines.load_test.results import Scenario
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.layout import BACKUP_ID_PATTERN
from onyx_pipelines.vault.manifest import BackupType

ID_PATTERN = BACKUP_ID_PATTERN


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
    backup_id: str
    status: Literal["in_progress", "completed", "failed"]
    progress: float = Field(ge=0, le=100)
    components_completed: list[Component]


class RestoreRequest(_Request):
    confirm: bool = Field(description="Without it nothing is changed, and the plan is answered.")
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


class SetAnswer(BaseModel):
    backup_id: str
    timestamp: str
    backup_type: str
    status: str
    components: list[str]
    size_bytes: int
    stores: list[str]
    held: bool
    hold_reason: str | None
    last_verified_at: str | None
    last_drill_passed_at: str | None
    retained_as: str | None


class SetsAnswer(BaseModel):
    sets: list[SetAnswer]
    total: int


class HoldRequest(_Request):
    reason: str = Field(min_length=1, max_length=500)


class VerifyRequest(_Request):
    store: Literal["", "local", "offsite"] = Field(default="", description="Empty: every store.")
    deep: bool = Field(default=False, description="Unseal every object too.")


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
    concurrent_users: int = Field(default=20, ge=1, le=1000)
    duration_seconds: int = Field(default=15, ge=1, le=600, description="Of each step.")
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
    reason: str = Field(default="", max_length=500)


class BaselineAnswer(BaseModel):
    baseline_id: str
    run_key: str
    promoted_by: str


class MetricsHealth(BaseModel):
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
