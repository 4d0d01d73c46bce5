"""Qdrant comes back: in the embedded engine or a server for drills, and for good."""

from typing import TYPE_CHECKING

from onyx_pipelines.on_demand import on_demand

if TYPE_CHECKING:
    from onyx_pipelines.restore.qdrant.drilling import drill
    from onyx_pipelines.restore.qdrant.planning import plan
    from onyx_pipelines.restore.qdrant.requests import QdrantRestoreRequest
    from onyx_pipelines.restore.qdrant.restoring import restore, target_identity

__all__ = ["QdrantRestoreRequest", "drill", "plan", "restore", "target_identity"]

__getattr__ = on_demand(
    __name__,
    {
        "QdrantRestoreRequest": "requests",
        "drill": "drilling",
        "plan": "planning",
        "restore": "restoring",
        "target_identity": "restoring",
    },
)
