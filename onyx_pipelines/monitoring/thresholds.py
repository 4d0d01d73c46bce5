"""From which figures on people are told. Defaults are the specification's, where it names one."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from onyx_pipelines.monitoring.metrics import CHAT

_Share = Annotated[float, Field(gt=0, le=1)]


class Thresholds(BaseModel):
    """Args:
    availability: objective of every service (specification: 99.5 %).
    latency_factor: p95 above the baseline times this (specification: 2).
    latency_floor_s: and above this: twice of almost nothing is no degradation.
    latency_objective_s: p95 of chat, whatever the baseline; one of its histogram's buckets.
    error_share: of all requests, without `excluded_statuses`.
    excluded_statuses: no errors of the service: what is not there, who asks too often.
    resources: CPU and memory in use (specification: 90 %).
    disk_free: with less than this and full within a day at the present pace.
    connections: PostgreSQL's, of those that it allows.
    backup_age: of the newest set.
    drill_age: since a restore drill passed.
    verified_age: since a set was read back and found whole.
    spend_usd_per_h: of all models.
    certificate_days: left; with three, at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    availability: Annotated[float, Field(gt=0.9, lt=1)] = 0.995
    latency_factor: Annotated[float, Field(gt=1)] = 2.0
    latency_floor_s: Annotated[float, Field(ge=0)] = 0.5
    latency_objective_s: Annotated[float, Field(gt=0)] = 5.0
    error_share: _Share = 0.05
    excluded_statuses: tuple[int, ...] = (404, 429)
    resources: _Share = 0.9
    disk_free: _Share = 0.15
    connections: _Share = 0.8
    backup_age: timedelta = timedelta(hours=26)
    drill_age: timedelta = timedelta(days=8)
    verified_age: timedelta = timedelta(days=8)
    spend_usd_per_h: Annotated[float, Field(gt=0)] = 10.0
    certificate_days: Annotated[int, Field(gt=3)] = 14

    @field_validator("latency_objective_s")
    @classmethod
    def _is_a_bucket(cls, value: float) -> float:
        if value not in CHAT.buckets:
            raise ValueError(f"must be one of the buckets of {CHAT.name}: {CHAT.buckets}")
        return value
