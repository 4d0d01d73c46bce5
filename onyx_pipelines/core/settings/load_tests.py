"""Settings of load tests: what may be loaded, what is watched, and the objectives."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from onyx_pipelines.core.settings.host import ReportSettings
from onyx_pipelines.core.settings.monitoring import PrometheusSettings
from onyx_pipelines.core.settings.part import Part, Words, joined, split_pairs

# One text, or in a file a list of such.
Watched = Annotated[str, joined(" ")]
Services = Annotated[dict[str, Watched], NoDecode, BeforeValidator(split_pairs)]


class ObjectiveSettings(Part):
    """What the deployment has to reach (AC9.6.2)."""

    chat_p95_objective_ms: float = Field(1500, gt=0, description="Chat, p95 (AC9.6.2).")
    rag_p95_objective_ms: float = Field(200, gt=0, description="Retrieval, p95 (AC9.6.2).")
    peak_memory_objective_gb: float = Field(
        12, gt=0, description="All services together, in GB of 10^9 bytes (AC9.6.2)."
    )
    chat_objective_measure: Literal["", "first_token", "full_answer"] = Field(
        "",
        description="What the chat objective is about; empty: the first token where answers are"
        " streamed, else the whole answer.",
    )


class LoadTestSettings(ObjectiveSettings, PrometheusSettings, ReportSettings):
    """The deployment that load tests send to."""

    load_test_url: str = Field(
        "", description="Origin of the deployment that load tests send to. Empty: no load tests."
    )
    load_test_token: SecretStr = Field(
        SecretStr(""), description="Bearer token that the load test's users sign in with."
    )
    load_test_allowed_hosts: Words = Field(
        (),
        description="Hosts, addresses or networks that may be loaded, comma-separated. Loopback"
        " always may; everything else that is not listed is refused.",
    )
    load_test_profile: str = Field("full", description="`full` (10 to 20 min) or `quick` (2 min).")
    load_test_every: Literal["month", "quarter"] = Field(
        "month",
        description="How often the schedule loads it, on the 2nd at 05:00 UTC: each `month`, or"
        " each `quarter` (January, April, July, October).",
    )
    load_test_services: Services = Field(
        default_factory=dict,
        description="What is watched meanwhile, `name=pidfile:/run/x.pid,name=cgroup:/sys/fs/…`;"
        " also `pid:N`, `job:NAME` or `container:NAME` as ONYX_PROMETHEUS_URL knows it, and"
        " `metrics:http://…` for the gauges of a pool, between spaces.",
        examples=[{"api": ["pidfile:/run/api.pid", "metrics:http://127.0.0.1:8080/metrics"]}],
    )
    load_test_chat_path: str = Field("/api/chat/send-message", description="Streams an answer.")
    load_test_rag_path: str = Field("/api/rag/search", description="Retrieval, no generation.")
    load_test_agent_path: str = Field("/api/agent/tasks", description="A task of an agent.")
    load_test_cleanup_path: str = Field(
        "",
        description="DELETE here removes what a test made; `{run}` is its key. Empty: none.",
    )
    load_test_llm: str = Field(
        "", description="Which language model answers; runs with different ones are not compared."
    )

    @property
    def load_test_interval(self) -> timedelta:
        """The longest time between two tests of the schedule."""
        return timedelta(days=92 if self.load_test_every == "quarter" else 31)
