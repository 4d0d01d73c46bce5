"""PostgreSQL comes back: into a throw-away cluster for drills, and the comparison of its facts."""

from onyx_pipelines.restore.postgres.drilling import drill

__all__ = ["drill"]
