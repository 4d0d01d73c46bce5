"""Qdrant comes back: in the embedded engine or a server for drills, and for good."""

from typing import TYPE_CHECKING

from onyx_pipelines.on_demand import on_demand

if TYPE_CHECKING:
    from onyx_pipelines.restore.qdrant.drilling import drill
    from onyx_pipelines.restore.qdrant.planning import plan
    from onyx_pipelines.restore.qdrant.requests import QdrantRestoreRequest
    from onyx_pipelines.restore.qdrant.restore_journal import forget_finished
    from onyx_pipelines.restore.qdrant.restoring import restore

__all__ = ["QdrantRestoreRequest", "drill", "forget_finished", "plan", "restore"]

__getattr__ = on_demand(
    __name__,
    {
        "QdrantRestoreRequest": "requests",
        "drill": "drilling",
        "forget_finished": "restore_journal",
        "plan": "planning",
        "restore": "restoring",
    },
)
