"""Filters and point ids of the REST API as the engine's own types."""

from __future__ import annotations

import uuid
from typing import Any

import qdrant_edge as edge

from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported

Json = dict[str, Any]


def to_id(value: object) -> int | uuid.UUID:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise ApiError(400, f"Format error in JSON body: {value!r} is not a point id") from None


def from_id(value: object) -> int | str:
    return value if isinstance(value, int) else str(value)


def to_filter(value: Json | None) -> Any:
    """A filter of must, should and must_not over match, range, has_id and has_vector."""
    if not value:
        return None
    unknown = {key for key, part in value.items() if part is not None} - {
        "must", "should", "must_not",
    }  # fmt: skip
    if unknown:
        raise unsupported(f"filter {sorted(unknown)}")
    clauses: Json = {k: _conditions(value.get(k)) for k in ("must", "should", "must_not")}
    return edge.Filter(**clauses)


def _conditions(value: Json | list[Json] | None) -> list[Any] | None:
    if not value:
        return None
    return [_condition(each) for each in (value if isinstance(value, list) else [value])]


def _condition(value: Json) -> Any:
    if "has_id" in value:
        return edge.HasIdCondition({to_id(each) for each in value["has_id"]})
    if "has_vector" in value:
        return edge.HasVectorCondition(value["has_vector"])
    if {"must", "should", "must_not"} & value.keys():
        return to_filter(value)
    match, bounds = value.get("match"), value.get("range")
    if match and "value" in match:
        return edge.FieldCondition(key=value["key"], match=edge.MatchValue(match["value"]))
    if match and "any" in match:
        return edge.FieldCondition(key=value["key"], match=edge.MatchAny(match["any"]))
    if bounds and all(isinstance(each, (int, float, type(None))) for each in bounds.values()):
        limits = {key: bounds.get(key) for key in ("gt", "gte", "lt", "lte")}
        return edge.FieldCondition(key=value["key"], range=edge.RangeFloat(**limits))
    raise unsupported(f"filter condition {sorted(k for k, v in value.items() if v is not None)}")
