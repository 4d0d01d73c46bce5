"""A number against its limit, wherever it comes from."""

from __future__ import annotations

from onyx_pipelines.readiness.launch.facts import SeenFigure
from onyx_pipelines.readiness.launch.judging.judgement import Judgement, failed, passed
from onyx_pipelines.readiness.launch.verification import OfDatabase, OfHost, OfMetrics
from onyx_pipelines.readiness.limit import is_within, limit_words


def figure(asked: OfDatabase | OfHost | OfMetrics, value: float, seen: SeenFigure) -> Judgement:
    """Args:
    value: what is seen, where anything is.
    """
    of = f"{seen.of}: " if seen.of else ""
    said = f"{of}{value:.4g}{seen.unit} (wanted: {limit_words(asked.holds_if)})."
    if is_within(asked.holds_if, value):
        return passed(said)
    return failed(f"{said} {asked.otherwise}")
