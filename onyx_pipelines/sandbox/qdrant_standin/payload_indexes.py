"""Payload indexes: as a request names them, as a server keeps and tells them, as the engine."""

from __future__ import annotations

from typing import Any, Final

import qdrant_edge as edge

from onyx_pipelines.sandbox.qdrant_standin.filters import Json
from onyx_pipelines.sandbox.qdrant_standin.refusals import ApiError, unsupported
from onyx_pipelines.sandbox.qdrant_standin.vectors import without_nulls

_TYPES: Final = {
    "keyword": (edge.PayloadSchemaType.Keyword, edge.KeywordIndexParams),
    "integer": (edge.PayloadSchemaType.Integer, edge.IntegerIndexParams),
    "float": (edge.PayloadSchemaType.Float, edge.FloatIndexParams),
    "geo": (edge.PayloadSchemaType.Geo, edge.GeoIndexParams),
    "text": (edge.PayloadSchemaType.Text, edge.TextIndexParams),
    "bool": (edge.PayloadSchemaType.Bool, edge.BoolIndexParams),
    "datetime": (edge.PayloadSchemaType.Datetime, edge.DatetimeIndexParams),
    "uuid": (edge.PayloadSchemaType.Uuid, edge.UuidIndexParams),
}
_TOKENIZERS: Final = {
    "prefix": edge.TokenizerType.Prefix,
    "whitespace": edge.TokenizerType.Whitespace,
    "word": edge.TokenizerType.Word,
    "multilingual": edge.TokenizerType.Multilingual,
}

Schema = str | Json


def kept_schema(given: Any) -> Schema:
    """As a server keeps it: the type's name, or its options with the type."""
    schema = without_nulls(given)
    kind = schema.get("type") if isinstance(schema, dict) else schema
    if kind not in _TYPES:
        raise ApiError(400, f"Format error in JSON body: payload schema {given!r}")
    return schema if isinstance(schema, dict) else str(kind)


def told_schema(schema: Schema, points: int) -> Json:
    """As a server tells it."""
    if isinstance(schema, str):
        return {"data_type": schema, "points": points}
    return {"data_type": schema["type"], "params": schema, "points": points}


def type_of(schema: Schema) -> str:
    return schema if isinstance(schema, str) else str(schema["type"])


def engine_schema(schema: Schema) -> Any:
    """For the engine.

    Raises:
        ApiError: 501 for an option that it does not take like this.
    """
    simple, options_type = _TYPES[type_of(schema)]
    if isinstance(schema, str):
        return simple
    options = {key: value for key, value in schema.items() if key != "type"}
    if "tokenizer" in options:
        options["tokenizer"] = _TOKENIZERS.get(options["tokenizer"])
    try:
        return options_type(**options)
    except TypeError:
        raise unsupported(f"the options {sorted(options)} of a payload index") from None
