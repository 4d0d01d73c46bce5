"""Do the language models answer, and what do they cost?"""

from __future__ import annotations

import json
from typing import Final

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Alert, Board, Group, Severity

# More than a few tries of somebody who sets up a model.
_TOKENS: Final = 10_000


def models(thresholds: Thresholds) -> list[Group]:
    """From LiteLLM's own metrics."""
    failed = "sum by (litellm_model_name) (rate(litellm_deployment_failure_responses_total[5m]))"
    every = "sum by (litellm_model_name) (rate(litellm_deployment_total_requests_total[5m]))"
    few = "sum by (litellm_model_name) (increase(litellm_deployment_failure_responses_total[10m]))"
    priced = ",".join(f"model!={json.dumps(each)}" for each in thresholds.free_models)
    series = "litellm_input_tokens_metric_total" + (f"{{{priced}}}" if priced else "")
    sent = f"sum by (model) (increase({series}[1h]))"
    return [
        Group(
            "onyx-models",
            [
                Alert(
                    "ModelOutage",
                    "litellm_deployment_state == 2",
                    "2m",
                    Severity.CRITICAL,
                    Playbook.LLM_DOWN,
                    Board.MODELS,
                    "{{ $labels.litellm_model_name }} gives no answers",
                    "LiteLLM calls this deployment a complete outage.",
                    service="litellm",
                ),
                Alert(
                    "ModelFailing",
                    f"{failed} / ({every} > 0) > 0.1 and {few} > 5",
                    "5m",
                    Severity.CRITICAL,
                    Playbook.LLM_DOWN,
                    Board.MODELS,
                    "{{ $labels.litellm_model_name }} fails",
                    "{{ $value | humanizePercentage }} of the calls failed in the last five"
                    " minutes. See the provider's status, the key and the quota.",
                    service="litellm",
                ),
                Alert(
                    "ModelSpendHigh",
                    "sum(increase(litellm_spend_metric_total[1h]))"
                    f" > {thresholds.spend_usd_per_h:g}",
                    "5m",
                    Severity.WARNING,
                    Playbook.LLM_DOWN,
                    Board.MODELS,
                    "Language models cost more than planned",
                    "{{ $value | humanize }} US dollars within an hour; planned are at most"
                    f" {thresholds.spend_usd_per_h:g}.",
                    service="litellm",
                ),
                Alert(
                    "ModelSpendUnknown",
                    "sum(increase(litellm_zero_cost_requests_total[1h])) > 10",
                    "15m",
                    Severity.WARNING,
                    Playbook.LLM_DOWN,
                    Board.MODELS,
                    "Calls of language models are counted as free",
                    "LiteLLM knows a price, and put none on {{ $value | humanize }} calls within an"
                    " hour: what it says of spending is too low. Its log says what is missing.",
                    service="litellm",
                ),
                # That counter leaves out models of which no price at all is known.
                Alert(
                    "ModelWithoutPrice",
                    f"{sent} > {_TOKENS:d}"
                    " unless sum by (model) (increase(litellm_spend_metric_total[1h])) > 0",
                    "15m",
                    Severity.WARNING,
                    Playbook.LLM_DOWN,
                    Board.MODELS,
                    "{{ $labels.model }} costs nothing",
                    "{{ $value | humanize }} tokens were sent to it within an hour, and nothing was"
                    " spent. Give it a price (`model_info` of LiteLLM), or name it in `free_models`"
                    " of `alert_thresholds`.",
                    service="litellm",
                ),
            ],
        )
    ]
