"""Qdrant comes back: a snapshot opened by Qdrant's own Edge engine, and the comparison of facts."""

from onyx_pipelines.restore.qdrant.drilling import drill

__all__ = ["drill"]
