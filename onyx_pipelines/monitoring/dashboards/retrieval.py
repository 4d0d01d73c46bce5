"""What the vector database finds, and how fast."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.monitoring.dashboards.board import Line, Panel, Shape, Unit
from onyx_pipelines.monitoring.dashboards.parts import WINDOW, rate
from onyx_pipelines.monitoring.rules.recorded import p95

_DURATION: Final = "onyx_rag_retrieval_duration_seconds"


def panels() -> list[Panel]:
    """In reading order."""
    answered = rate("onyx_rag_queries_total")
    nothing = 'onyx_rag_queries_total{outcome="empty"}'
    return [
        Panel(
            "Retrievals, p95",
            "From the vector database.",
            Unit.SECONDS,
            [Line(p95(_DURATION, "service", WINDOW), "{{service}}")],
        ),
        Panel(
            "Retrievals",
            "A second, by what came of them.",
            Unit.PER_SECOND,
            [Line(rate("onyx_rag_queries_total", "outcome"), "{{outcome}}")],
        ),
        Panel(
            "Retrievals that found nothing",
            "Of all of them.",
            Unit.SHARE,
            [
                Line(
                    f"{rate(nothing)} / ({answered} > 0)",
                    "empty",
                )
            ],
            bad_above=0.5,
        ),
        Panel(
            "Collections that are not well",
            "Red, grey, or with replicas that are not active.",
            Unit.NUMBER,
            [Line("onyx_qdrant_collections_unwell", "collections")],
            Shape.STAT,
            6,
            bad_above=1,
        ),
        Panel(
            "Vectors",
            "Of all collections.",
            Unit.NUMBER,
            [Line("sum(qdrant_collections_vector_total or collections_vector_total)", "vectors")],
            Shape.STAT,
            6,
        ),
        Panel(
            "Qdrant's memory",
            "Resident.",
            Unit.BYTES,
            [Line("qdrant_memory_resident_bytes or memory_resident_bytes", "resident")],
            columns=12,
        ),
        Panel(
            "Qdrant's answers",
            "A second, by status.",
            Unit.PER_SECOND,
            [
                Line(
                    f"sum by (status) (rate(qdrant_rest_responses_total[{WINDOW}])"
                    f" or rate(rest_responses_total[{WINDOW}]))",
                    "{{status}}",
                )
            ],
            columns=12,
        ),
    ]
