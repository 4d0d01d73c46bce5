"""Settings of what people do when it breaks: whether and how often that is rehearsed."""

from __future__ import annotations

from pydantic import Field

from onyx_pipelines.core.settings.host import ReportSettings


class RehearsalSettings(ReportSettings):
    """Game days, in a sandbox of this machine."""

    rehearsals: bool = Field(
        default=False,
        description="Whether incidents are rehearsed by schedule, each quarter: a sandbox on this"
        " machine is started and broken on purpose (about 1 GB of memory for a quarter of an hour)."
        " Nothing else is ever broken. By hand `onyx rehearse` always may.",
    )
    rehearsal_max_age_days: int = Field(
        90, gt=0, description="Older rehearsals prove nothing of a playbook."
    )
