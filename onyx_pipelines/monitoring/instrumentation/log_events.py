"""What a line of a service's log adds to which figure. Pure.

A service that cannot be changed to record can often be told to log; one JSON object a line:

    {"event": "llm_call", "model": "m", "success": true, "input_tokens": 812, "output_tokens": 96,
     "cost_usd": 0.0031}
    {"event": "rag_query", "results": 5}            (or "failed": true)
    {"event": "task", "task_type": "research", "success": true, "duration_s": 4.2}

Other fields are not looked at: no name, question or answer becomes a metric.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from onyx_pipelines.monitoring.metrics import (
    MODEL_CALLS,
    MODEL_COST,
    MODEL_TOKENS,
    RETRIEVALS,
    TASKS,
    duration_category,
)

# Of a counter: its family's name, and its labels' values in the family's order.
Series = tuple[str, tuple[str, ...]]

_Name = Annotated[str, Field(min_length=1, max_length=128)]
_Count = Annotated[int, Field(ge=0, le=10**9)]
_Amount = Annotated[float, Field(ge=0, le=10**6, allow_inf_nan=False)]


class Outcome(StrEnum):
    """What a line was."""

    COUNTED = "counted"
    OTHER = "other"
    MALFORMED = "malformed"


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _ModelCall(_Event):
    event: Literal["llm_call"]
    model: _Name
    success: bool
    input_tokens: _Count = 0
    output_tokens: _Count = 0
    cost_usd: _Amount = 0.0

    def increments(self) -> list[tuple[Series, float]]:
        return [
            ((MODEL_CALLS.name, (self.model, "success" if self.success else "error")), 1),
            ((MODEL_TOKENS.name, (self.model, "input")), self.input_tokens),
            ((MODEL_TOKENS.name, (self.model, "output")), self.output_tokens),
            ((MODEL_COST.name, (self.model,)), self.cost_usd),
        ]


class _Retrieval(_Event):
    event: Literal["rag_query"]
    results: _Count = 0
    failed: bool = False

    def increments(self) -> list[tuple[Series, float]]:
        outcome = "error" if self.failed else "answered" if self.results else "empty"
        return [((RETRIEVALS.name, (outcome,)), 1)]


class _Task(_Event):
    event: Literal["task"]
    task_type: _Name
    success: bool
    duration_s: _Amount

    def increments(self) -> list[tuple[Series, float]]:
        labels = (self.task_type, str(self.success).lower(), duration_category(self.duration_s))
        return [((TASKS.name, labels), 1)]


_EVENTS: Final = TypeAdapter[_ModelCall | _Retrieval | _Task](
    Annotated[_ModelCall | _Retrieval | _Task, Field(discriminator="event")]
)
_NAMES: Final = ("llm_call", "rag_query", "task")


def parse_line(line: bytes) -> tuple[Outcome, list[tuple[Series, float]]]:
    """What it adds; nothing, where it is no event of ours or one that is not as it should be.

    Docker's `json-file` puts each line into an object of its own; that one is taken off.
    """
    found = _object(line) if b"event" in line else {}
    if isinstance(found.get("log"), str):
        found = _object(found["log"])
    if found.get("event") not in _NAMES:
        return Outcome.OTHER, []
    try:
        return Outcome.COUNTED, _EVENTS.validate_python(found).increments()
    except ValidationError:
        return Outcome.MALFORMED, []


def _object(text: str | bytes) -> dict[str, Any]:
    """Empty: it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
