"""Stands in for LiteLLM's own metrics where the application asks the mock model itself: of its
names those that rules and dashboards read."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_DOLLARS_PER_TOKEN: Final = 1e-6
_WELL, _OUT = 0, 2
# So many failures one after the other, and LiteLLM calls it an outage.
_OUTAGE: Final = 10


class LiteLlmFamilies:
    """Of one deployment, `model`, at 0 from the start."""

    def __init__(self, model: str) -> None:
        self.registry = CollectorRegistry()
        deployment, called = ["litellm_model_name"], ["model"]

        def counter(name: str, labels: list[str]) -> Counter:
            made = Counter(f"litellm_{name}", "As LiteLLM's.", labels, registry=self.registry)
            return made.labels(model) if labels else made

        self._state = Gauge(
            "litellm_deployment_state", "0: well, 2: out.", deployment, registry=self.registry
        ).labels(model)
        self._state.set(_WELL)
        self._calls = counter("deployment_total_requests", deployment)
        self._failures = counter("deployment_failure_responses", deployment)
        self._spent = counter("spend_metric", called)
        self._sent = counter("input_tokens_metric", called)
        self._received = counter("output_tokens_metric", called)
        counter("zero_cost_requests", [])
        self._latency = Histogram(
            "litellm_llm_api_latency_metric", "Seconds.", called, registry=self.registry
        ).labels(model)
        self._first_token = Histogram(
            "litellm_llm_api_time_to_first_token_metric", "Seconds.", called, registry=self.registry
        ).labels(model)
        self._failed_in_a_row = 0

    def first_token(self, seconds: float) -> None:
        """Of an answer that is streamed."""
        self._first_token.observe(seconds)

    def answered(self, *, seconds: float, sent: int, received: int) -> None:
        """One call, with its tokens."""
        self._calls.inc()
        self._latency.observe(seconds)
        self._sent.inc(sent)
        self._received.inc(received)
        self._spent.inc((sent + received) * _DOLLARS_PER_TOKEN)
        self._failed_in_a_row = 0
        self._state.set(_WELL)

    def failed(self) -> None:
        """One call that gave no answer."""
        self._calls.inc()
        self._failures.inc()
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= _OUTAGE:
            self._state.set(_OUT)
