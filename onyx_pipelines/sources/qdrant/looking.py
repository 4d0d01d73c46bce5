"""What a collection's points are, read before a snapshot and again after it.

All points of a small collection, a random sample of a large one; in pages that the collection's
own limits allow, and that take little memory whatever the points hold.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, Self

from onyx_pipelines.core.threads import ahead
from onyx_pipelines.sources.qdrant.collection_api import (
    CollectionApi,
    Page,
    PageTooLargeError,
    PointId,
)
from onyx_pipelines.sources.qdrant.facts import Json, PointFacts, point_fingerprint
from onyx_pipelines.sources.qdrant.failures import BusyError, RefusedError

# Up to here every point is looked at.
ALL_UP_TO: Final = 5_000
_FIRST_PAGE: Final = 4
# Where every page costs: one is worth more than the memory.
_FIRST_PAGE_OF_A_LIMITED_RATE: Final = 100
_LARGEST_PAGE: Final = 1_000
_PAGE_BYTES: Final = 2 << 20
_PAGE_OF_IDS: Final = 10_000
# Points to look at for each vector that has a name: not every point has every one.
_OF_EACH_VECTOR: Final = 10

Fingerprints = dict[PointId, str]
Pages = Generator[list[Json], None, None]


@dataclass(frozen=True)
class Limits:
    """What a collection in strict mode refuses. None: it has no such limit."""

    page: int | None = None
    reads_per_minute: int | None = None
    ids_in_filter: int | None = None
    allows_exact: bool = True

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """From a collection's configuration."""
        strict = config.get("strict_mode_config") or {}
        if not strict.get("enabled"):
            return cls()
        return cls(
            page=strict.get("max_query_limit"),
            reads_per_minute=strict.get("read_rate_limit"),
            ids_in_filter=strict.get("condition_max_size"),
            allows_exact=strict.get("search_allow_exact") is not False,
        )


class Looking:
    """Reads the points of one collection."""

    def __init__(self, api: CollectionApi, collection: str, limits: Limits) -> None:
        self._api = api
        self._collection = collection
        self._limits = limits

    def count(self) -> int:
        """Exact. Their ids are counted where the collection refuses exact counts."""
        if self._limits.allows_exact:
            return self._api.count(self._collection)
        return sum(map(len, self._scrolled(_PAGE_OF_IDS, with_content=False)))

    def all_points(self) -> Fingerprints:
        return _fingerprints(self._scrolled(self._first_page, with_content=True))

    def random_ids(self, limit: int) -> list[PointId]:
        """Of so many different points, or fewer where asking again gives no more."""
        found: dict[PointId, None] = {}
        page = min(limit, self._limits.page or limit)
        known = -1
        while known < len(found) < limit:
            known = len(found)
            body = {"query": {"sample": "random"}, "limit": page}
            found.update((each["id"], None) for each in self._api.query(self._collection, body))
        return list(found)[:limit]

    def ids_with(self, vector: str) -> list[PointId]:
        """Of some points that have a vector of that name; none where the server cannot search for
        them (before 1.13)."""
        limit = min(_OF_EACH_VECTOR, self._limits.page or _OF_EACH_VECTOR)
        try:
            page = self._api.scroll(
                self._collection, limit=limit, only={"has_vector": vector}, with_content=False
            )
        except BusyError:
            raise
        except RefusedError:
            return []
        return [each["id"] for each in page.points]

    def points(self, ids: Sequence[PointId]) -> Fingerprints:
        """Those of them that are there."""
        return _fingerprints(self._chosen(ids))

    def _chosen(self, ids: Sequence[PointId]) -> Pages:
        start, page = 0, self._first_page
        largest = min(
            self._limits.page or _LARGEST_PAGE, self._limits.ids_in_filter or _LARGEST_PAGE
        )
        while start < len(ids):
            wanted = ids[start : start + min(page, largest)]
            try:
                answer = self._page_of(wanted)
            except PageTooLargeError:
                page = len(wanted) // 4 or 1
                continue
            except BusyError:
                # More at once than its rate ever allows.
                if len(wanted) == 1:
                    raise
                largest = len(wanted) // 2
                continue
            yield answer.points
            start += len(wanted)
            page = _next_page(answer, page)

    @property
    def _first_page(self) -> int:
        return _FIRST_PAGE_OF_A_LIMITED_RATE if self._limits.reads_per_minute else _FIRST_PAGE

    def _page_of(self, ids: Sequence[PointId]) -> Page:
        """A page of a scroll costs one read, other calls one for each point."""
        if self._limits.reads_per_minute:
            only = {"has_id": list(ids)}
            return self._api.scroll(self._collection, limit=len(ids), only=only)
        return self._api.retrieve(self._collection, ids)

    def _scrolled(self, page: int, *, with_content: bool) -> Pages:
        offset: PointId | None = None
        while True:
            limit = min(page, self._limits.page or page)
            try:
                answer = self._api.scroll(
                    self._collection, limit=limit, offset=offset, with_content=with_content
                )
            except PageTooLargeError:
                page = limit // 4 or 1
                continue
            yield answer.points
            offset = answer.following
            if offset is None:
                return
            if with_content:
                page = _next_page(answer, page)


def _next_page(answer: Page, page: int) -> int:
    """As large as such points may be, but not suddenly: the next ones may be larger."""
    of_one = max(1, answer.answer_bytes // max(1, len(answer.points)))
    return max(1, min(_PAGE_BYTES // of_one, 4 * page, _LARGEST_PAGE))


def _fingerprints(pages: Pages) -> Fingerprints:
    """Of each point. The next page is read meanwhile."""
    with closing(ahead(pages, 1, "read")) as read:
        return {
            each["id"]: point_fingerprint(each.get("vector"), each.get("payload"))
            for page in read
            for each in page
        }


@dataclass(frozen=True)
class Look:
    """What was there at one time; `is_all`: every point was looked at."""

    count: int
    points: Fingerprints
    is_all: bool


@dataclass(frozen=True)
class Unchanged:
    """What both looks found the same, and the points that were not."""

    sample: tuple[PointFacts, ...]
    moved: tuple[PointId, ...]


def vector_names(config: Mapping[str, Any]) -> list[str]:
    """Of the vectors that have one."""
    params = config.get("params") or {}
    dense = params.get("vectors") or {}
    named = () if isinstance(dense.get("size"), int) else dense
    return sorted({*named, *(params.get("sparse_vectors") or ())})


def look(
    looking: Looking, about: int | None, *, vectors: Sequence[str], all_up_to: int, sample: int
) -> Look:
    """The first look.

    Args:
        about: how many points there are, roughly; None: the server does not say.
        vectors: names of vectors, of each of which some are in every sample.
        sample: random points to look at where there are more than `all_up_to`.
    """
    if (looking.count() if about is None else about) <= all_up_to:
        points = looking.all_points()
        return Look(len(points), points, is_all=True)
    count = looking.count()
    ids = dict.fromkeys(looking.random_ids(sample)) if sample else {}
    for vector in vectors if sample else ():
        ids.update(dict.fromkeys(looking.ids_with(vector)))
    return Look(count, looking.points(list(ids)), is_all=False)


def look_again(looking: Looking, first: Look) -> Look:
    """Look at the same points once more, to see what has moved meanwhile."""
    if first.is_all:
        points = looking.all_points()
        return Look(len(points), points, is_all=True)
    return Look(looking.count(), looking.points(list(first.points)), is_all=False)


def unchanged(first: Look, second: Look) -> Unchanged:
    """What was the same both times, and so must be in a snapshot taken between."""
    same = {each for each, print_ in first.points.items() if second.points.get(each) == print_}
    return Unchanged(
        sample=tuple(
            PointFacts(id=each, fingerprint=print_)
            for each, print_ in first.points.items()
            if each in same
        ),
        moved=tuple(sorted((first.points.keys() | second.points.keys()) - same, key=str)),
    )
