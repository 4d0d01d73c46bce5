"""The five, in the order of the specification."""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.dashboards import (
    application,
    infrastructure,
    models,
    overview,
    retrieval,
)
from onyx_pipelines.monitoring.dashboards.board import Dashboard
from onyx_pipelines.monitoring.rules.rule import Board


def dashboards(thresholds: Thresholds) -> list[Dashboard]:
    """With the thresholds of the alerts drawn in."""
    boards = (
        (Board.OVERVIEW, "System Overview", overview.panels(thresholds)),
        (Board.APPLICATION, "Application Performance", application.panels(thresholds)),
        (Board.MODELS, "LLM Metrics", models.panels(thresholds)),
        (Board.RETRIEVAL, "RAG Performance", retrieval.panels()),
        (Board.INFRASTRUCTURE, "Infrastructure Health", infrastructure.panels(thresholds)),
    )
    return [Dashboard(board, f"ONYX / {title}", panels) for board, title, panels in boards]
