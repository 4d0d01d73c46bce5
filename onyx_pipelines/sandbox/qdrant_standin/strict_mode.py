"""What a collection in strict mode refuses, with the words that a server uses."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.payload_indexes import Schema, type_of
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError

_DEFAULT_LIMIT: Final = 10
_TYPES_FOR: Final = {bool: ("bool",), int: ("integer",), float: ("float",), str: ("keyword",)}


class RateLimiter:
    """A bucket of tokens that fills within a minute, and is full at the start."""

    def __init__(self, kind: str, per_minute: int) -> None:
        self._kind = kind
        self.per_minute = per_minute
        self._tokens = float(per_minute)
        self._at = time.monotonic()

    def take(self, cost: int) -> None:
        """Raises ApiError: 429 where there are too few."""
        what = f"Rate limiting exceeded: {self._kind} rate limit exceeded"
        if cost > self.per_minute:
            raise ApiError(
                429,
                f"{what}, request larger than rate limiter capacity, please try to split your"
                " request",
            )
        now = time.monotonic()
        gained = (now - self._at) * self.per_minute / 60
        self._tokens = min(self._tokens + gained, float(self.per_minute))
        self._at = now
        if self._tokens < cost:
            wait_s = math.ceil((cost - self._tokens) * 60 / self.per_minute)
            raise ApiError(
                429,
                f"{what}: Operation requires {cost} tokens but only {self._tokens:.1f} were"
                f" available. Retry after {wait_s}s",
                retry_after_s=wait_s,
            )
        self._tokens -= cost


class StrictMode:
    """The limits of one collection."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        strict = config.get("strict_mode_config") or {}
        self._strict: Json = strict if strict.get("enabled") else {}
        self._reads = self._limiter("Read", "read_rate_limit")
        self._writes = self._limiter("Write", "write_rate_limit")

    def _limiter(self, kind: str, name: str) -> RateLimiter | None:
        per_minute = self._strict.get(name)
        return RateLimiter(kind, per_minute) if per_minute else None

    def check_read(
        self,
        body: Json,
        schema: Mapping[str, Schema],
        *,
        cost: int = 1,
        has_limit: bool = True,
        exact: bool = False,
    ) -> None:
        """Raises ApiError: it is not allowed, or not now."""
        limit, allowed = body.get("limit") or _DEFAULT_LIMIT, self._strict.get("max_query_limit")
        if has_limit and allowed and limit > allowed:
            raise _refused(
                f'Limit exceeded {limit} > {allowed} for "limit"',
                f'Reduce the "limit" parameter to or below {allowed}.',
            )
        if exact and self._strict.get("search_allow_exact") is False:
            raise _refused("Exact search disabled!", "Set exact=false.")
        conditions = list(_conditions(body.get("filter")))
        self._check_sizes(body.get("filter"))
        if self._strict.get("unindexed_filtering_retrieve") is False:
            for key, value in conditions:
                _require_index(key, value, schema)
        if self._reads:
            self._reads.take(cost + len(conditions))

    def _check_sizes(self, filter_: Any) -> None:
        """Of ids only: the sizes of other conditions are not looked at."""
        allowed = self._strict.get("condition_max_size")
        must = (filter_ or {}).get("must") or []
        size = max((len(each.get("has_id", ())) for each in must), default=0)
        if allowed and size > allowed:
            raise _refused(
                f"Condition size limit reached ({size} > {allowed})",
                "Reduce the size of your condition.",
            )

    def check_write(self, points: int) -> None:
        """Raises ApiError: not now."""
        if self._writes:
            self._writes.take(points)


def _require_index(key: str, value: object, schema: Mapping[str, Schema]) -> None:
    wanted = _TYPES_FOR.get(type(value), ())
    if key and (key not in schema or (wanted and type_of(schema[key]) not in wanted)):
        raise _refused(
            f'Index required but not found for "{key}" of one of the following types:'
            f" [{', '.join(wanted)}]",
            "Create an index for this key or use a different filter.",
        )


def _conditions(value: Any) -> Iterator[tuple[str, object]]:
    """Key and value of every condition in a filter; no key where it names none."""
    if not isinstance(value, dict):
        return
    for clause in ("must", "should", "must_not"):
        part = value.get(clause) or []
        for each in part if isinstance(part, list) else [part]:
            if {"must", "should", "must_not"} & each.keys():
                yield from _conditions(each)
            else:
                match = each.get("match") or {}
                yield each.get("key", ""), match.get("value", (match.get("any") or [None])[0])


def _refused(problem: str, help_: str) -> ApiError:
    return ApiError(400, f"Bad request: {problem}. Help: {help_}")
