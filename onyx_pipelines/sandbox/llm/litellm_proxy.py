"""LiteLLM's real proxy in front of the mock model."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from onyx_pipelines.host.durable_files import create_durably
from onyx_pipelines.sandbox.llm.litellm_environment import make_environment
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines.sandbox.service_process import ServiceProcess, kept_port

MODEL: Final = "mock"
# Without the slash it answers with where to ask.
METRICS_PATH: Final = "/metrics/"
_START_TIMEOUT_S: Final = 120.0
# By the one label that they keep: those that name people (its defaults have them) are left out
# where the metrics are made. What rules and dashboards read is among them.
_METRICS: Final[Mapping[str, Sequence[str]]] = {
    "requested_model": (
        "litellm_proxy_total_requests_metric",
        "litellm_proxy_failed_requests_metric",
        "litellm_request_total_latency_metric",
    ),
    "model": (
        "litellm_llm_api_latency_metric",
        "litellm_llm_api_time_to_first_token_metric",
        "litellm_input_tokens_metric",
        "litellm_output_tokens_metric",
        "litellm_spend_metric",
        "litellm_zero_cost_requests_total",
    ),
    "litellm_model_name": (
        "litellm_deployment_state",
        "litellm_deployment_total_requests",
        "litellm_deployment_failure_responses",
    ),
}


class LiteLlmProxy(ServiceProcess):
    """Outlives its starter; found again in `state_dir`. About 450 MB, and 10 s to start."""

    def __init__(self, state_dir: Path, environment_dir: Path) -> None:
        super().__init__(state_dir, "litellm")
        self._environment_dir = environment_dir

    @property
    def api_url(self) -> str:
        """For clients of OpenAI's API."""
        return f"{self.url}/v1"

    @property
    def metrics_address(self) -> str:
        """Host and port of its metrics (`METRICS_PATH`), which ask for no key there."""
        return f"{HOST}:{kept_port(self.state_dir, 'metrics')}"

    @property
    def master_key(self) -> str:
        """Generated: it refuses to start with the one of its documentation."""
        path = self.state_dir / "litellm.key"
        if not path.exists():
            create_durably(path, f"sk-{secrets.token_urlsafe(32)}".encode(), mode=0o600)
        return path.read_text(encoding="ascii")

    def start(self, model_url: str) -> None:
        """Make its environment if need be, and start it.

        Args:
            model_url: of a server of OpenAI's API.

        Raises:
            OnyxError: it could not be installed, or did not answer.
        """
        if self.pid is not None:
            return
        program = make_environment(self._environment_dir)
        config = self.state_dir / "litellm.yaml"
        key = self.master_key
        # JSON is YAML; the key is read from the environment.
        config.write_text(json.dumps(_configuration(model_url), indent=1), encoding="utf-8")
        self.serve(
            [
                *(program, "--config", config, "--host", "127.0.0.1"),
                *("--port", str(self.port), "--telemetry", "False"),
                *("--prometheus_metrics_port", self.metrics_address.rpartition(":")[2]),
            ],
            {
                "LITELLM_MASTER_KEY": key,
                "LITELLM_LOG": "ERROR",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "PROMETHEUS_DISABLE_CREATED_SERIES": "True",
                # Where its processes leave their figures; else all proxies of a machine share one.
                "PROMETHEUS_MULTIPROC_DIR": str(self.state_dir / "metrics"),
                "NO_PROXY": "*",
            },
            ready_path="/health/liveliness",
            timeout_s=_START_TIMEOUT_S,
        )


def _configuration(model_url: str) -> dict[str, object]:
    return {
        "model_list": [
            {
                "model_name": MODEL,
                "litellm_params": {
                    "model": f"openai/{MODEL}",
                    "api_base": model_url,
                    "api_key": "none",
                },
            }
        ],
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
        "litellm_settings": {
            "num_retries": 0,
            "callbacks": ["prometheus"],
            "prometheus_metrics_config": [
                {"group": label, "metrics": list(metrics), "include_labels": [label]}
                for label, metrics in _METRICS.items()
            ],
        },
    }
