"""Qdrant: a server snapshot of every collection, streamed, and the facts about it."""

from typing import TYPE_CHECKING

from onyx_pipelines.core.on_demand import on_demand

if TYPE_CHECKING:
    from onyx_pipelines.sources.qdrant.qdrant_source import QdrantSource

__all__ = ["QdrantSource"]

__getattr__ = on_demand(__name__, {"QdrantSource": "qdrant_source"})
