"""PostgreSQL comes back: into scratch for drills, and for good."""

from typing import TYPE_CHECKING

from onyx_pipelines.on_demand import on_demand

if TYPE_CHECKING:
    from onyx_pipelines.restore.postgres.drilling import drill
    from onyx_pipelines.restore.postgres.planning import plan
    from onyx_pipelines.restore.postgres.requests import PostgresRestoreRequest
    from onyx_pipelines.restore.postgres.restoring import restore, target_identity

__all__ = ["PostgresRestoreRequest", "drill", "plan", "restore", "target_identity"]

__getattr__ = on_demand(
    __name__,
    {
        "PostgresRestoreRequest": "requests",
        "drill": "drilling",
        "plan": "planning",
        "restore": "restoring",
        "target_identity": "restoring",
    },
)
