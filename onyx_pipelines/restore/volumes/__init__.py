"""Volumes out of a backup set: drilled in scratch, or restored for good."""

from onyx_pipelines.restore.volumes.drilling import drill
from onyx_pipelines.restore.volumes.planning import plan
from onyx_pipelines.restore.volumes.requests import VolumesRestoreRequest
from onyx_pipelines.restore.volumes.restoring import restore

__all__ = ["VolumesRestoreRequest", "drill", "plan", "restore"]
