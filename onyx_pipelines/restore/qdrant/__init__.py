"""Qdrant comes back: in the embedded engine or a server for drills, and for good."""

from onyx_pipelines.restore.qdrant.drilling import drill
from onyx_pipelines.restore.qdrant.planning import plan
from onyx_pipelines.restore.qdrant.requests import QdrantRestoreRequest
from onyx_pipelines.restore.qdrant.restore_journal import forget_finished
from onyx_pipelines.restore.qdrant.restoring import restore

__all__ = ["QdrantRestoreRequest", "drill", "forget_finished", "plan", "restore"]
