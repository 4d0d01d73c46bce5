"""Docker volumes as a source: directories become tar archives, with facts on every file."""

from typing import TYPE_CHECKING

from onyx_pipelines.core.on_demand import on_demand

if TYPE_CHECKING:
    from onyx_pipelines.sources.volumes.containers import restart_journalled
    from onyx_pipelines.sources.volumes.volumes_source import VolumesSource

__all__ = ["VolumesSource", "restart_journalled"]

__getattr__ = on_demand(
    __name__, {"VolumesSource": "volumes_source", "restart_journalled": "containers"}
)
