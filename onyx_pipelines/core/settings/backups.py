"""Settings of how long sets are kept, and of what is expected of new ones."""

from __future__ import annotations

from pydantic import Field

from onyx_pipelines.core.settings.part import Part


class RetentionSettings(Part):
    """Which sets are kept."""

    keep_daily: int = Field(7, ge=0, description="Days to keep a set for (see docs/retention.md).")
    keep_weekly: int = Field(4, ge=0, description="ISO weeks to keep a set for.")
    keep_monthly: int = Field(12, ge=0, description="Months to keep a set for.")
    retention_timezone: str = Field(
        "UTC", description="Time zone in which days, weeks, months end."
    )
    sweep_grace_hours: float = Field(
        24, ge=0, description="Age after which the leftovers of a killed backup are deleted."
    )


class ExpectationSettings(Part):
    """What the newest set has to be."""

    size_drop_error_percent: float = Field(
        50,
        gt=0,
        le=100,
        description="A set smaller than the median of the last good ones by more than this fails"
        " `size_is_plausible`.",
    )
    backup_max_age_hours: float = Field(
        26, gt=0, description="A newest set older than this is overdue."
    )
