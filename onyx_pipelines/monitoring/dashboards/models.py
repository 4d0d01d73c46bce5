"""Calls of language models, and what they cost."""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.dashboards.board import Line, Panel, Unit
from onyx_pipelines.monitoring.dashboards.parts import WINDOW, rate, stat
from onyx_pipelines.monitoring.rules.recorded import p95


def panels(thresholds: Thresholds) -> list[Panel]:
    """In reading order."""
    every = rate("litellm_deployment_total_requests_total", "litellm_model_name")
    failed = rate("litellm_deployment_failure_responses_total", "litellm_model_name")
    return [
        stat(
            "Deployments",
            "0: well, 1: in part, 2: out.",
            Unit.NUMBER,
            "max by (litellm_model_name) (litellm_deployment_state)",
            "{{litellm_model_name}}",
            above=1,
        ),
        stat(
            "Spent within a day",
            "US dollars.",
            Unit.DOLLARS,
            "sum(increase(litellm_spend_metric_total[24h]))",
            above=24 * thresholds.spend_usd_per_h,
        ),
        stat(
            "Calls counted as free",
            "Within an hour; what is said of spending is too low where there are any.",
            Unit.NUMBER,
            "sum(increase(litellm_zero_cost_requests_total[1h])) or vector(0)",
            above=1,
        ),
        Panel(
            "Calls", "A second, by model.", Unit.PER_SECOND, [Line(every, "{{litellm_model_name}}")]
        ),
        Panel(
            "Calls that failed",
            "Of all calls of the model.",
            Unit.SHARE,
            [Line(f"{failed} / ({every} > 0)", "{{litellm_model_name}}")],
            bad_above=0.1,
        ),
        Panel(
            "Latency, p95",
            "Of the provider, without what the proxy adds.",
            Unit.SECONDS,
            [Line(p95("litellm_llm_api_latency_metric", "model", WINDOW), "{{model}}")],
        ),
        Panel(
            "First token, p95",
            "Of answers that are streamed.",
            Unit.SECONDS,
            [Line(p95("litellm_llm_api_time_to_first_token_metric", "model", WINDOW), "{{model}}")],
        ),
        Panel(
            "Tokens",
            "A second.",
            Unit.NUMBER,
            [
                Line(rate("litellm_input_tokens_metric_total"), "sent"),
                Line(rate("litellm_output_tokens_metric_total"), "received"),
            ],
        ),
    ]
