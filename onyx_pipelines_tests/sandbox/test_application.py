"""The application of the sandbox: it answers, tells where its time went, and can be made slow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from onyx_pipelines.load_test.attribution.server_timing import parse_server_timing
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines_tests.waiting import wait_until


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.app.url, trust_env=False, timeout=30) as client:
        yield client


def chat(client: httpx.Client, **headers: str) -> tuple[str, dict[str, float]]:
    """The answer's text, and the account at the end of the stream."""
    body = {"message": "What is kept?", "session_id": "s"}
    answer = client.post("/api/chat/send-message", json=body, headers=headers)
    answer.raise_for_status()
    events, _, account = answer.text.partition("event: server-timing\ndata: ")
    packets = [json.loads(line[5:]) for line in events.splitlines() if line.startswith("data:")]
    assert packets[-1] == {"type": "done"}
    text = "".join(packet.get("content", "") for packet in packets)
    return text, parse_server_timing(account.strip())


def search(client: httpx.Client) -> tuple[dict[str, Any], dict[str, float]]:
    answer = client.post("/api/rag/search", json={"query": "What is kept?"})
    answer.raise_for_status()
    return answer.json(), parse_server_timing(answer.headers["Server-Timing"])


def test_a_chat_streams_an_answer_and_ends_with_its_account(client: httpx.Client) -> None:
    text, timing = chat(client)

    assert len(text.split()) == 24
    assert set(timing) == {"total", "pg", "pg_wait", "qdrant", "qdrant_srv", "llm", "llm_srv"}
    assert sum(timing[hop] for hop in ("pg", "pg_wait", "qdrant", "llm")) <= timing["total"]
    assert timing["llm_srv"] <= timing["llm"]
    assert timing["llm"] >= 60 + 23 * 4 - 5


def test_the_same_question_gets_the_same_answer(client: httpx.Client) -> None:
    assert chat(client)[0] == chat(client)[0]


def test_a_search_finds_documents_with_their_text(client: httpx.Client) -> None:
    found, timing = search(client)

    assert found["documents"]
    assert all(each["body"] for each in found["documents"])
    assert len(found["scores"]) == 5
    assert {"total", "qdrant", "qdrant_srv", "pg"} <= set(timing)


def test_a_task_of_an_agent_searches_in_steps_and_answers(client: httpx.Client) -> None:
    answer = client.post("/api/agent/tasks", json={"task": "Compare", "steps": 2})

    assert answer.json()["steps"] == 2
    assert answer.json()["result"]
    assert {"llm", "qdrant", "pg"} <= set(parse_server_timing(answer.headers["Server-Timing"]))


def test_what_a_run_wrote_can_be_removed(client: httpx.Client) -> None:
    chat(client, **{"X-Run-Id": "run-1"})

    assert client.delete("/api/runs/run-1").json() == {"deleted": 2}
    assert client.delete("/api/runs/run-1").json() == {"deleted": 0}


def test_bad_input_is_refused(client: httpx.Client) -> None:
    assert client.post("/api/rag/search", json={"query": ""}).status_code == 422
    assert client.post("/api/chat/send-message", json={}).status_code == 422


def test_the_metrics_have_the_schema_of_the_spec_and_the_pool(client: httpx.Client) -> None:
    chat(client)
    search(client)

    text = client.get("/metrics").text
    for name in (
        "onyx_chat_duration_seconds_bucket",
        "onyx_rag_retrieval_duration_seconds_bucket",
        "onyx_task_completion_total",
        "onyx_active_agents",
        "onyx_db_pool_size 20.0",
        "onyx_hop_duration_seconds_sum",
    ):
        assert name in text


def fastest_search(client: httpx.Client) -> dict[str, float]:
    """The least of each time: what else the machine does adds to some of them."""
    timings = [search(client)[1] for _ in range(3)]
    return {hop: min(timing[hop] for timing in timings) for hop in timings[0]}


@pytest.mark.measures
class TestFaults:
    """Each makes slow what it says, and nothing else."""

    def test_slow_database(self, client: httpx.Client, sandbox_alone: Sandbox) -> None:
        sandbox_alone.app.set_faults(slow_db_ms=150)
        timing = fastest_search(client)

        assert timing["pg"] >= 150
        assert timing["qdrant"] < 100

    def test_slow_vector_store(self, client: httpx.Client, sandbox_alone: Sandbox) -> None:
        sandbox_alone.qdrant.set_faults(all_delay_s=0.15)
        timing = fastest_search(client)

        assert timing["qdrant_srv"] >= 150
        assert timing["pg"] < 100

    def test_slow_model(self, client: httpx.Client, sandbox_alone: Sandbox) -> None:
        sandbox_alone.llm.set_delays(first_token_ms=300, tokens=2)

        assert chat(client)[1]["llm_srv"] >= 300

    def test_slow_lookup_is_time_before_the_model(
        self, client: httpx.Client, sandbox_alone: Sandbox
    ) -> None:
        sandbox_alone.app.set_faults(slow_dns_ms=200)
        _, timing = chat(client)

        assert timing["llm"] - timing["llm_srv"] >= 200

    def test_a_lock_is_time_of_the_application(
        self, client: httpx.Client, sandbox_alone: Sandbox
    ) -> None:
        sandbox_alone.app.set_faults(lock_ms=120)
        _, timing = search(client)

        assert timing["total"] - timing["pg"] - timing["qdrant"] >= 110

    def test_burnt_cpu_is_time_of_the_application(
        self, client: httpx.Client, sandbox_alone: Sandbox
    ) -> None:
        sandbox_alone.app.set_faults(cpu_burn_ms=80)
        _, timing = search(client)

        assert timing["total"] - timing["pg"] - timing["qdrant"] >= 70

    def test_a_small_pool_makes_requests_wait(
        self, client: httpx.Client, sandbox_alone: Sandbox
    ) -> None:
        sandbox_alone.app.set_faults(pool_size=1, slow_db_ms=100)
        with ThreadPoolExecutor(4) as threads:
            waits = sorted(
                timing["pg_wait"] for _, timing in threads.map(lambda _: search(client), range(4))
            )

        # More than one other had it before.
        assert waits[-1] >= 150
        assert "onyx_db_pool_size 1.0" in client.get("/metrics").text

    def test_a_limit_of_connections_makes_calls_wait_in_front_of_the_model(
        self, client: httpx.Client, sandbox_alone: Sandbox
    ) -> None:
        sandbox_alone.app.set_faults(caller_limit=1)
        with ThreadPoolExecutor(3) as threads:
            gaps = sorted(
                timing["llm"] - timing["llm_srv"]
                for _, timing in threads.map(lambda _: chat(client), range(3))
            )

        assert gaps[-1] >= 250

    def test_a_rate_limit_refuses_and_says_when_to_come_again(
        self, client: httpx.Client, sandbox_alone: Sandbox
    ) -> None:
        sandbox_alone.app.set_faults(rate_limit_per_s=1)
        answers = [client.post("/api/rag/search", json={"query": "x"}) for _ in range(4)]

        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) >= 2
        assert refused[0].headers["Retry-After"] == "1"
        assert "Server-Timing" in refused[0].headers

    def test_a_rate_limit_of_the_model_ends_at_the_model(
        self, client: httpx.Client, sandbox_alone: Sandbox
    ) -> None:
        sandbox_alone.llm.set_delays(rate_limit_per_s=0.5)
        answer = client.post("/api/agent/tasks", json={"task": "x", "steps": 1})

        assert answer.status_code == 429
        assert list(parse_server_timing(answer.headers["Server-Timing"]))[-1] == "llm"

    def test_a_model_refuses_as_large_a_share_of_its_calls_as_is_set(
        self, sandbox_alone: Sandbox
    ) -> None:
        sandbox_alone.llm.set_delays(refused_share=0.5, refused_status=401, first_token_ms=0)
        body = {"model": "mock", "messages": [{"role": "user", "content": "x"}]}
        statuses = [
            httpx.post(
                f"{sandbox_alone.llm.api_url}/chat/completions", json=body, trust_env=False
            ).status_code
            for _ in range(4)
        ]

        assert statuses == [200, 401, 200, 401]

    def test_a_big_payload_makes_answers_long(
        self, client: httpx.Client, sandbox_alone: Sandbox
    ) -> None:
        sandbox_alone.app.set_faults(big_payload_kb=500)

        assert len(client.post("/api/rag/search", json={"query": "x"}).content) > 500_000

    def test_a_leak_stays_in_memory(self, client: httpx.Client, sandbox_alone: Sandbox) -> None:
        # Above glibc's largest threshold of mmap (32 MiB): never from a heap that is resident.
        sandbox_alone.app.set_faults(leak_kb=40_000)
        before = _resident_bytes(sandbox_alone)
        for _ in range(3):
            search(client)

        assert _resident_bytes(sandbox_alone) - before > 110_000_000


def _resident_bytes(sandbox: Sandbox) -> int:
    wait_until(lambda: sandbox.app.pid, "the application has a process")
    with open(f"/proc/{sandbox.app.pid}/statm", encoding="ascii") as file:  # noqa: PTH123  (as a program of the system opens it)
        return int(file.read().split()[1]) * 4096
