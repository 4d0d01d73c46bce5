"""PostgreSQL comes back: into scratch for drills, and for good."""

from onyx_pipelines.restore.postgres.drilling import drill
from onyx_pipelines.restore.postgres.planning import plan
from onyx_pipelines.restore.postgres.requests import PostgresRestoreRequest
from onyx_pipelines.restore.postgres.restoring import restore

__all__ = ["PostgresRestoreRequest", "drill", "plan", "restore"]
