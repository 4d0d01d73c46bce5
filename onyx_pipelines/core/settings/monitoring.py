"""Settings of monitoring: whom to ask, from which figures on people are told, and who is told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode

from onyx_pipelines.core.settings.part import Part

# Of the specification's chat histogram; an objective between two of them could not be seen.
CHAT_BUCKETS_S: Final = (0.1, 0.5, 1.0, 1.5, 2.0, 5.0)
_SECRETS: Final = "/etc/alertmanager/secrets"
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
    verified_age: since a set was read back and found whole.
    spend_usd_per_h: of all models.
    free_models: which cost nothing, as LiteLLM calls them (`model`), e.g. one's own.
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
    verified_age: timedelta = timedelta(days=8)
    spend_usd_per_h: Annotated[float, Field(gt=0)] = 10.0
    free_models: tuple[str, ...] = ()
    certificate_days: Annotated[int, Field(gt=3)] = 14

    @field_validator("latency_objective_s")
    @classmethod
    def _is_a_bucket(cls, value: float) -> float:
        if value not in CHAT_BUCKETS_S:
            raise ValueError(f"must be one of the buckets of chat's histogram: {CHAT_BUCKETS_S}")
        return value


class Window(BaseModel):
    """A time in which warnings are kept back: people are at work on it. Critical alerts never are.

    Args:
        weekday: e.g. `sunday`, `monday:wednesday`.
        begins, ends: hours and minutes, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    weekday: str
    begins: str
    ends: str


class IncidentsApi(BaseModel):
    """Where alerts open incidents.

    Args:
        url: of our API, as Alertmanager reaches it: `…/api/incidents/alerts`.
        token_file: on its host, with a token of scope `alert`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    token_file: str = f"{_SECRETS}/onyx_api_token"


class Receivers(BaseModel):
    """Where alerts go.

    Args:
        slack_channel: with the webhook's address in a file.
        mail_to: empty: no mail.
        mail_tls: whether its server must speak TLS; one of this machine need not.
        webhook_url: of a receiver of our own; empty: none.
        incidents: the API that keeps them, once for each stack; none: alerts open no incidents.
        watchdog_url: of a dead man's switch outside of this machine; empty: none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slack_channel: str = "#onyx-alerts"
    slack_url_file: str = f"{_SECRETS}/slack_webhook_url"
    mail_to: str = ""
    mail_from: str = "alerts@localhost"
    mail_host: str = "localhost:25"
    mail_tls: bool = True
    mail_user: str = ""
    mail_password_file: str = f"{_SECRETS}/mail_password"
    webhook_url: str = ""
    incidents: tuple[IncidentsApi, ...] = ()
    watchdog_url: str = ""
    quiet: tuple[Window, ...] = ()


def _mapping(value: object) -> object:
    """What a variable of the environment says as JSON, and the file as a mapping."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "{}")
    except ValueError:
        raise ValueError("is not JSON; it is easier to write in the file") from None


class PrometheusSettings(Part):
    """The Prometheus that is asked."""

    prometheus_url: str = Field(
        "",
        description="Prometheus, e.g. http://127.0.0.1:9090: whether everything is scraped, what"
        " fires, how available services were. Empty: that is not known.",
    )


class MonitoringSettings(PrometheusSettings):
    """What `onyx monitoring render` writes for Prometheus, Alertmanager and Grafana."""

    docs_url: str = Field(
        "http://localhost:3001/docs",
        description="Where people read these pages, as a site or on a forge: alerts link to the"
        " playbooks there.",
    )
    grafana_url: str = Field(
        "http://localhost:3001",
        description="Grafana's address for people: alerts link to dashboards there.",
    )
    alert_thresholds: Annotated[Thresholds, NoDecode, BeforeValidator(_mapping)] = Field(
        Thresholds(),
        description="From which figures on alerts fire, those that differ from the defaults"
        " (docs/monitoring.md). In the environment as JSON.",
        examples=[{"backup_age": "P2D", "error_share": 0.02}],
    )
    alert_receivers: Annotated[Receivers, NoDecode, BeforeValidator(_mapping)] = Field(
        Receivers(),
        description="Where Alertmanager sends alerts: Slack, mail, a webhook, a dead man's switch;"
        " secrets are files on its host. In the environment as JSON.",
        examples=[{"slack_channel": "#ops", "mail_to": "oncall@example.org"}],
    )
