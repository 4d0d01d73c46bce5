"""Settings of error tracking: which tracker, what is no error, and where events wait for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from onyx_pipelines.core.settings.host import HostSettings
from onyx_pipelines.core.settings.monitoring import MonitoringSettings
from onyx_pipelines.core.settings.part import OptionalPath, Words


class ErrorSettings(MonitoringSettings, HostSettings):
    """Where errors are reported, and which are none: with the statuses of `alert_thresholds`."""

    sentry_dsn: SecretStr = Field(
        SecretStr(""),
        description="The error tracker's DSN, `https://KEY@host/PROJECT` (Sentry, GlitchTip,"
        " Bugsink). Empty: errors are reported nowhere.",
    )
    sentry_environment: str = Field("production", description="The environment that events name.")
    sentry_release: str = Field(
        "",
        description="The release that events name, e.g. `onyx@1.4.2`. Empty: this version of"
        " onyx-pipelines.",
    )
    error_spool_dir: OptionalPath = Field(
        None,
        description="Where events wait for the tracker; local disk. Empty: `errors` in the state"
        " directory.",
    )
    error_spool_limit_mb: int = Field(
        64,
        ge=1,
        description="How much may wait there (10^6 bytes); beyond it the oldest events are dropped"
        " and counted.",
    )
    error_ignored_types: Words = Field(
        (),
        description="Types of exceptions that are no errors, comma-separated, with or without their"
        " module. Statuses are `excluded_statuses` of ONYX_ALERT_THRESHOLDS.",
    )
    error_pseudonym_key: SecretStr = Field(
        SecretStr(""),
        description="Key of the hash that stands for a user or session in events; the same in every"
        " service. Empty: events name neither.",
    )
    error_source_lines: bool = Field(
        default=True,
        description="Whether events show the five lines of source before and after each place of a"
        " stack, scrubbed like all else.",
    )
    error_relay_host: str = Field(
        "127.0.0.1", description="Address on which `onyx errors relay` takes webhooks."
    )
    error_relay_port: int = Field(8911, ge=1, le=65535, description="Its port.")
    sentry_client_secret: SecretStr = Field(
        SecretStr(""),
        description="Client secret of Sentry's internal integration, with which it signs webhooks."
        " Empty: none of Sentry's is taken.",
    )
    bugsink_webhook_secret: SecretStr = Field(
        SecretStr(""),
        description="Last part of the address that Bugsink's webhook is given,"
        " `http://127.0.0.1:8911/hooks/bugsink/SECRET`; at least 20 characters. Empty: none of"
        " Bugsink's is taken.",
    )
    error_critical_services: Words = Field(
        (),
        description="Services (by the tag `service`, else the tracker's project) whose new errors"
        " are critical, comma-separated.",
    )
    error_critical_tags: Words = Field(
        (), description="Tags of events that make them critical, `name=value`, comma-separated."
    )
    error_critical_types: Words = Field(
        (),
        description="Types of exceptions, fingerprints set by hand, or the fingerprints that"
        " messages show, that are critical, comma-separated.",
    )

    @field_validator("bugsink_webhook_secret")
    @classmethod
    def _nobody_guesses_it(cls, secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        if text and not re.fullmatch(r"[A-Za-z0-9_-]{20,}", text):
            raise ValueError("needs at least 20 letters, digits, - or _")
        return secret

    error_tracker: Literal["bugsink", "sentry"] = Field(
        "bugsink", description="Which tracker it is, for whoever asks its API."
    )
    error_tracker_url: str = Field(
        "",
        description="The tracker's address, e.g. https://bugsink.example.org or https://sentry.io:"
        " its API is asked for the daily digest. Empty: no digest.",
    )
    error_tracker_token: SecretStr = Field(
        SecretStr(""), description="Token of its API that may read issues and events."
    )
    error_tracker_organization: str = Field("", description="Sentry only: the organization's slug.")
    error_tracker_projects: Words = Field(
        (),
        description="Projects that the digest is about, comma-separated: Bugsink's names or"
        " Sentry's slugs. Empty: all that the token may read.",
    )

    @property
    def error_spool(self) -> Path:
        """Where events wait."""
        return self.error_spool_dir or self.state_dir / "errors"

    @property
    def ignored_statuses(self) -> tuple[int, ...]:
        """Of HTTP, that are no errors: one source for alerts, events and the digest."""
        return self.alert_thresholds.excluded_statuses
