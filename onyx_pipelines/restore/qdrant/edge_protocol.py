"""What the parent asks of the process that runs the Edge engine, and what it answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from onyx_pipelines.sources.qdrant.facts import Neighbour, PointFacts


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EdgeRequest(_Message):
    """Open these shards, count exactly, read these points, search by this vector.

    `lowest_first`: scores are distances (Euclid, Manhattan): the nearest point has the lowest.
    """

    shards: tuple[str, ...]
    ids: tuple[int | str, ...]
    vector: tuple[float, ...] | None
    using: str
    top_k: int
    lowest_first: bool = False


class EdgeAnswer(_Message):
    """Over all shards: exact count, the points that are there, the nearest ones best first."""

    count: int
    points: tuple[PointFacts, ...]
    neighbours: tuple[Neighbour, ...]
    engine: str


class EdgeFailure(_Message):
    """The engine refused."""

    problem: str


def plain(value: Any) -> Any:
    """A vector as the engine gives it, as facts are computed over: an absent one is empty."""
    return None if value == {} else value
