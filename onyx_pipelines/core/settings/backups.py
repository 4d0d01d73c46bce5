"""Settings of how long sets are kept, and of what is expected of new ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from onyx_pipelines.core.settings.part import Part, from_json
from onyx_pipelines.core.settings.sources import SourceSettings
from onyx_pipelines.core.settings.stores import VaultSettings

Command = Annotated[tuple[str, ...], Field(min_length=1)]


class Hook(BaseModel):
    """Commands around the backup of one component."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    component: Literal["postgresql", "qdrant", "volumes"]
    before: tuple[Command, ...] = ()
    after: tuple[Command, ...] = ()
    time_limit_s: float = Field(60, gt=0, description="Of each command.")


class HookSettings(Part):
    """Commands before and after a backup"""

    hooks: Annotated[tuple[Hook, ...], NoDecode, BeforeValidator(from_json)] = Field(
        (),
        description="Per component: commands `before` it is read and `after`, each a list of words"
        " that no shell sees, with a time limit. One that fails before stops the component; those"
        " after run whatever happened. In the environment as JSON.",
        examples=[
            [
                {
                    "component": "volumes",
                    "before": [["docker", "exec", "app", "app-admin", "flush"]],
                    "after": [["docker", "exec", "app", "app-admin", "resume"]],
                    "time_limit_s": 60,
                }
            ]
        ],
    )


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


class BackupSettings(VaultSettings, SourceSettings):
    """What is backed up, and to where."""

    @property
    def backs_up(self) -> bool:
        """Whether any of it is configured: a fresh clone has nothing to do."""
        return bool(self.pg_host or self.qdrant_url or self.volumes or self.has_copies)
