"""Docker volumes as a source: directories become tar archives, with facts on every file."""

from onyx_pipelines.sources.volumes.containers import restart_journalled
from onyx_pipelines.sources.volumes.volumes_source import VolumesSource

__all__ = ["VolumesSource", "restart_journalled"]
