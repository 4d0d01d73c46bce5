"""The application's search: qdrant-client, with the server's own account of its time."""

from __future__ import annotations

from typing import Any

from qdrant_client import AsyncQdrantClient, models

from onyx_pipelines.sandbox.app.configuration import AppSettings
from onyx_pipelines.sandbox.app.embedding import embed
from onyx_pipelines.sandbox.app.server_timing import ServerTiming

HOP = "qdrant"
_TIMEOUT_S = 60


class Vectors:
    """Searches one collection."""

    def __init__(self, settings: AppSettings) -> None:
        self._collection = settings.collection
        self._dimensions: int | None = None
        self._client = AsyncQdrantClient(
            url=settings.qdrant_url, timeout=_TIMEOUT_S, check_compatibility=False
        )

    async def close(self) -> None:
        await self._client.close()

    async def search(self, timing: ServerTiming, text: str, top_k: int) -> list[dict[str, Any]]:
        """Payloads of the nearest points, with `score`."""
        query = models.QueryRequest(
            query=embed(text, await self._size()), limit=top_k, with_payload=True
        )
        async with timing.measured(HOP):
            # The client's own method drops `time`, the server's account of it.
            answer = await self._client.http.search_api.query_points(
                collection_name=self._collection, query_request=query
            )
        if answer.time is not None:
            timing.add(f"{HOP}_srv", 1000 * answer.time)
        points = answer.result.points if answer.result is not None else []
        return [{**(point.payload or {}), "score": point.score} for point in points]

    async def _size(self) -> int:
        if self._dimensions is None:
            found = await self._client.get_collection(self._collection)
            vectors = found.config.params.vectors
            if not isinstance(vectors, models.VectorParams):
                raise TypeError(f"{self._collection} has named vectors")
            self._dimensions = vectors.size
        return self._dimensions
