"""The spec's API, field by field: names and types of what is sent and answered, and what we answer
beyond it."""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from onyx_pipelines.api.app import create_app
from onyx_pipelines.api.tokens import Scope
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.core.text import size_text
from onyx_pipelines.load_test.report.sentences import judgement
from onyx_pipelines.load_test.statistics.objectives import judge_peak_memory
from onyx_pipelines_tests.api.conftest import Api, make_api
from onyx_pipelines_tests.fixtures_sandbox import HostUnderTest
from onyx_pipelines_tests.growing import growing_all_the_time

COMPONENTS = ["postgresql", "qdrant", "volumes"]
# As the spec writes them. `?`: null where it is not known.
REQUESTS: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/api/backup/trigger"): {
        "backup_type": ["daily", "weekly", "monthly"],
        "components": [COMPONENTS],
    },
    ("post", "/api/backup/restore/{backup_id}"): {"confirm": "boolean", "components": [COMPONENTS]},
    ("post", "/api/load-test/start"): {
        "concurrent_users": "integer",
        "duration_seconds": "integer",
        "scenario": ["chat", "rag", "agent_tasks"],
    },
}
RESPONSES: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/api/backup/trigger"): {
        "backup_id": "string",
        "status": ["started", "already_running"],
    },
    ("get", "/api/backup/status/{backup_id}"): {
        "backup_id": "string",
        "status": ["in_progress", "completed", "failed"],
        "progress": "number",
        "components_completed": [COMPONENTS],
    },
    ("post", "/api/backup/restore/{backup_id}"): {
        "restore_id": "string",
        "estimated_time_minutes": "integer?",
    },
    ("get", "/api/metrics/health"): {
        "prometheus_scraping": "boolean",
        "last_scrape": "date-time?",
        "services_reporting": ["string"],
        "metrics_count": "integer",
    },
    ("get", "/api/metrics/summary"): {
        "uptime_percentage": "number?",
        "avg_response_time_ms": "number?",
        "error_rate_percent": "number?",
        "active_users": "integer?",
        "tasks_completed_today": "integer?",
    },
    ("post", "/api/load-test/start"): {
        "test_id": "string",
        "estimated_duration_minutes": "integer",
    },
    ("get", "/api/load-test/results/{test_id}"): {
        "test_id": "string",
        "status": ["running", "completed", "failed"],
        "metrics": {
            "avg_latency_ms": "number?",
            "p95_latency_ms": "number?",
            "requests_per_second": "number?",
            "error_rate": "number?",
            "peak_memory_gb": "number?",
        },
    },
}
BEYOND = {
    ("get", "/api/backup/status/{backup_id}"): {"warnings"},
    ("post", "/api/backup/restore/{backup_id}"): {"estimate_basis", "plan"},
    ("get", "/api/load-test/results/{test_id}"): {"verdict"},
}
DESCRIPTION = create_app(load_settings({})).openapi()


def in_words(schema: dict[str, Any]) -> Any:
    """A schema in the spec's words."""
    if "$ref" in schema:
        return in_words(DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        (known,) = (each for each in schema["anyOf"] if each.get("type") != "null")
        words = in_words(known)
        return words if isinstance(words, dict) else f"{words}?"
    if "enum" in schema:
        return schema["enum"]
    if schema["type"] == "object":
        return {name: in_words(each) for name, each in schema["properties"].items()}
    if schema["type"] == "array":
        items = in_words(schema["items"])
        return [items]
    return schema.get("format", schema["type"])


def body_of(part: dict[str, Any]) -> Any:
    return in_words(part["content"]["application/json"]["schema"])


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_what_is_sent_has_the_names_and_types_of_the_spec(method: str, path: str) -> None:
    sent = body_of(DESCRIPTION["paths"][path][method]["requestBody"])

    assert sent == REQUESTS[method, path]


@pytest.mark.parametrize(("method", "path"), RESPONSES)
def test_what_is_answered_has_the_names_and_types_of_the_spec(method: str, path: str) -> None:
    answered = body_of(DESCRIPTION["paths"][path][method]["responses"]["200"])

    beyond = BEYOND.get((method, path), set())
    assert set(answered) == {*RESPONSES[method, path], *beyond}
    assert {name: answered[name] for name in RESPONSES[method, path]} == RESPONSES[method, path]


def types(values: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in values.items()}


class TestBackupMetadata:
    def test_every_component_has_the_fields_of_the_spec(
        self, backup_host: HostUnderTest, tmp_path: Path
    ) -> None:
        named_awkwardly = tmp_path / "other"
        named_awkwardly.mkdir()
        (named_awkwardly / "file").write_bytes(b"x" * 1000)
        volume = tmp_path / "volume"
        volume.mkdir()
        (volume / "one").write_bytes(b"1")
        (volume / "two").write_bytes(b"2")
        backup_host.set(VOLUMES=f"models={volume},qdrant={named_awkwardly}")
        backup_id = backup_host.run().backup_id
        manifest = backup_host.manifest(backup_id)

        found = make_api(backup_host).client(Scope.READ).get(f"/api/backup/sets/{backup_id}").json()

        assert {each: found[each] for each in ("backup_id", "backup_type", "status")} == {
            "backup_id": backup_id,
            "backup_type": "daily",
            "status": "completed",
        }
        assert datetime.fromisoformat(found["timestamp"]) == manifest.timestamp
        assert found["retention_days"] == manifest.retention_days
        components = found["components"]
        assert set(components) == {"postgresql", "qdrant", "models", "volumes/qdrant"}
        assert types(components["postgresql"]) == {
            "size_gb": float, "checksum": str, "tables_count": int,
        }  # fmt: skip
        assert types(components["qdrant"]) == {
            "size_gb": float, "vector_count": int, "collections_count": int,
        }  # fmt: skip
        assert types(components["models"]) == {
            "volume_name": str, "size_gb": float, "file_count": int,
        }  # fmt: skip
        assert components["postgresql"]["tables_count"] > 0
        assert components["qdrant"]["collections_count"] == 1
        assert components["qdrant"]["vector_count"] > 0
        assert (components["models"]["volume_name"], components["models"]["file_count"]) == (
            "models", 2,
        )  # fmt: skip
        assert components["volumes/qdrant"]["volume_name"] == "qdrant"
        assert sum(each["size_gb"] for each in components.values()) == pytest.approx(
            found["size_bytes"] / 10**9
        )

    def test_one_that_there_is_not_is_a_problem(self, api: Api) -> None:
        assert api.client().get(f"/api/backup/sets/{uuid.uuid4()}").status_code == 404

    def test_what_completed_with_warnings_is_completed_and_has_them(
        self, api: Api, volume_host: HostUnderTest
    ) -> None:
        growing = volume_host.volume / "growing.log"
        growing.write_bytes(b"x" * 60_000_000)

        with growing_all_the_time(growing):
            backup_id = volume_host.run().backup_id
        client = api.client()

        shown = client.get(f"/api/backup/sets/{backup_id}").json()
        listed = client.get("/api/backup/sets").json()["sets"][0]
        status = client.get(f"/api/backup/status/{backup_id}").json()

        assert volume_host.manifest(backup_id).status == "completed_with_warnings"
        assert shown == listed
        for each in (shown, status):
            assert each["status"] == "completed"
            assert len(each["warnings"]) == 1
            assert "1 changed while being read" in each["warnings"][0]
        assert "completed_with_warnings" not in client.get("/openapi.json").text

    def test_held_sets_are_answered_alike(self, api: Api, volume_host: HostUnderTest) -> None:
        backup_id = volume_host.run().backup_id

        held = api.client().put(f"/api/backup/sets/{backup_id}/hold", json={"reason": "audit"})

        assert held.json() == api.client().get(f"/api/backup/sets/{backup_id}").json()


class TestAGigabyte:
    def test_is_a_thousand_million_bytes_in_every_answer(self) -> None:
        assert load_settings({}).peak_memory_objective_gb == 12
        text = judgement(judge_peak_memory("memory", 11e9, 11e9, 12e9))
        assert "11.00 GB" in text
        assert "12.00 GB" in text
        assert size_text(12 * 10**9) == "12 GB"


class TestHealthOfMetrics:
    def test_a_prometheus_that_does_not_answer_does_not_scrape(
        self, api: Api, volume_host: HostUnderTest
    ) -> None:
        volume_host.set(PROMETHEUS_URL="http://127.0.0.1:9")

        answer = (
            Api(create_app(volume_host.settings), api.tokens).client().get("/api/metrics/health")
        )

        assert answer.status_code == 200
        assert answer.json() == {
            "prometheus_scraping": False,
            "last_scrape": None,
            "services_reporting": [],
            "metrics_count": 0,
        }
