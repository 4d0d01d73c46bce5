"""Volumes out of a backup set: drilled in scratch, or restored for good."""

from typing import TYPE_CHECKING

from onyx_pipelines.on_demand import on_demand

if TYPE_CHECKING:
    from onyx_pipelines.restore.volumes.drilling import drill
    from onyx_pipelines.restore.volumes.planning import plan
    from onyx_pipelines.restore.volumes.requests import VolumesRestoreRequest
    from onyx_pipelines.restore.volumes.restoring import restore, target_identity

__all__ = ["VolumesRestoreRequest", "drill", "plan", "restore", "target_identity"]

__getattr__ = on_demand(
    __name__,
    {
        "VolumesRestoreRequest": "requests",
        "drill": "drilling",
        "plan": "planning",
        "restore": "restoring",
        "target_identity": "restoring",
    },
)
