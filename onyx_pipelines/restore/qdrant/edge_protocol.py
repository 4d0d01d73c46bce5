"""What the parent asks of the process that runs the Edge engine, and what it answers.

One line of JSON each.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from onyx_pipelines.sources.qdrant.facts import Neighbour, PointFacts


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EdgeRequest(_Message):
    """Open these shards, count exactly, read points, search by this vector.

    `ids`: the points to read. `all_up_to`: read all instead, if there are no more than that.
    `indexes`: type of payload index by field, to be tried where all points are read.
    `lowest_first`: scores are distances (Euclid, Manhattan): the nearest point has the lowest.
    """

    shards: tuple[str, ...]
    ids: tuple[int | str, ...]
    all_up_to: int = 0
    indexes: dict[str, str] = {}
    vector: tuple[float, ...] | None
    using: str
    top_k: int
    lowest_first: bool = False


class EdgeAnswer(_Message):
    """Over all shards: exact count, the points that are there, the nearest ones best first.

    `wrong_indexes`: payload indexes that find other points than those with such a payload.
    `no_query`: why there was no search.
    `withheld`: updates and points that a server has and does not show.
    `ignores_updates`: a shard drops what is written to a point that it has, without a word.
    """

    count: int
    points: tuple[PointFacts, ...]
    neighbours: tuple[Neighbour, ...]
    engine: str
    wrong_indexes: tuple[str, ...] = ()
    no_query: str = ""
    withheld: int = 0
    ignores_updates: bool = False


class EdgeFailure(_Message):
    """The engine refused."""

    problem: str
