"""LiteLLM's real proxy between the application and the mock model.

It is installed on demand (about 750 MB): where it is not there yet, only if ONYX_TEST_LITELLM is
set, as in CI.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from onyx_pipelines.load_test.attribution.server_timing import parse_server_timing
from onyx_pipelines.monitoring.live_target import judged
from onyx_pipelines.sandbox.app.server import SandboxApp
from onyx_pipelines.sandbox.llm.litellm_environment import default_directory, is_made
from onyx_pipelines.sandbox.llm.litellm_proxy import METRICS_PATH, LiteLlmProxy
from onyx_pipelines.sandbox.monitoring.stack import scraped_litellm
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines_tests.prometheus_server import prometheus

# Their counters are not there until something fails, or has no price.
APPEAR_WITH_A_FAILURE = {"ModelFailing", "ModelSpendUnknown"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.thorough,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not is_made(default_directory()) and not os.environ.get("ONYX_TEST_LITELLM"),
        reason="LiteLLM is not installed and ONYX_TEST_LITELLM is not set",
    ),
]


@pytest.fixture(scope="module")
def proxy(sandbox: Sandbox) -> Iterator[LiteLlmProxy]:
    proxy = LiteLlmProxy(sandbox.state_dir / "litellm-test", default_directory())
    try:
        proxy.start(sandbox.llm.api_url)
        yield proxy
    finally:
        proxy.stop()


@pytest.fixture(scope="module")
def app(sandbox: Sandbox, proxy: LiteLlmProxy) -> Iterator[SandboxApp]:
    app = SandboxApp(sandbox.state_dir / "litellm-app")
    try:
        app.start(
            sandbox.postgres, sandbox.qdrant.url, proxy.api_url, llm_key=proxy.master_key,
            database="behind_litellm",
        )  # fmt: skip
        yield app
    finally:
        app.stop()


def test_a_chat_goes_through_it_and_the_models_own_time_comes_back(app: SandboxApp) -> None:
    body = {"message": "What is kept?"}
    with httpx.Client(base_url=app.url, trust_env=False, timeout=60) as client:
        client.post("/api/chat/send-message", json=body).raise_for_status()
        text = client.post("/api/chat/send-message", json=body).raise_for_status().text

    timing = parse_server_timing(text.rpartition("event: server-timing\ndata: ")[2].strip())
    assert 150 <= timing["llm_srv"] < timing["llm"]


def test_nobody_is_answered_without_the_key(proxy: LiteLlmProxy) -> None:
    answer = httpx.post(
        f"{proxy.api_url}/chat/completions",
        json={"model": "mock", "messages": [{"role": "user", "content": "x"}]},
        trust_env=False,
        timeout=30,
    )

    assert not answer.is_success


def test_its_key_is_generated_private_and_in_no_argument(proxy: LiteLlmProxy) -> None:
    key = proxy.master_key

    assert key.startswith("sk-")
    assert len(key) > 40
    assert (proxy.pid_path.parent / "litellm.key").stat().st_mode & 0o077 == 0
    assert key.encode() not in Path(f"/proc/{proxy.pid}/cmdline").read_bytes()
    assert key not in (proxy.pid_path.parent / "litellm.yaml").read_text()


def test_prometheus_scrapes_its_metrics_which_name_no_person(
    app: SandboxApp, proxy: LiteLlmProxy, sandbox: Sandbox, tmp_path: Path
) -> None:
    """By the sandbox's own line of configuration; what the rules read of a model that is well is
    there."""
    ask_for_a_task(app)
    job = scraped_litellm(proxy, sandbox.llm).rendered()

    with prometheus(tmp_path, {job.pop("job_name"): job}) as server:
        server.wait_for("litellm_deployment_total_requests_total")
        text = httpx.get(f"http://{proxy.metrics_address}{METRICS_PATH}", trust_env=False).text

    assert 'litellm_request_total_latency_metric_count{requested_model="mock"}' in text
    assert {each.rule for each in judged(text).blind} <= APPEAR_WITH_A_FAILURE
    for label in ("user_email", "hashed_api_key", "client_ip"):
        assert label not in text


def test_without_the_proxy_the_model_stands_in(sandbox: Sandbox, tmp_path: Path) -> None:
    nothing = LiteLlmProxy(tmp_path, default_directory())

    job = scraped_litellm(nothing, sandbox.llm)

    assert f"http://{job.address}" == sandbox.llm.url


def ask_for_a_task(app: SandboxApp) -> None:
    with httpx.Client(base_url=app.url, trust_env=False, timeout=60) as client:
        client.post("/api/agent/tasks", json={"task": "x"}).raise_for_status()
