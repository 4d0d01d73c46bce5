"""Settings of error tracking: which tracker, what is no error, and where events wait for it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

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

    @property
    def error_spool(self) -> Path:
        """Where events wait."""
        return self.error_spool_dir or self.state_dir / "errors"

    @property
    def ignored_statuses(self) -> tuple[int, ...]:
        """Of HTTP, that are no errors: one source for alerts, events and the digest."""
        return self.alert_thresholds.excluded_statuses
