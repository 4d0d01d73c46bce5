"""Qdrant: a server snapshot of every collection, streamed, and the facts about it."""

from onyx_pipelines.sources.qdrant.qdrant_source import QdrantSource

__all__ = ["QdrantSource"]
