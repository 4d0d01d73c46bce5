"""What other programs read is what the code says, and they accept it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import ValidationError

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.metrics import APPLICATION, CHAT, LABELS, MAKERS, SPECIFIED
from onyx_pipelines.monitoring.rendering import rendered
from onyx_pipelines.monitoring.services import CORE
from onyx_pipelines_tests.requirements_of_tests import program

DEPLOYED: Final = Path(__file__).parents[2] / "deploy" / "monitoring"


@pytest.mark.parametrize("path", sorted(rendered()))
def test_what_is_committed_is_what_is_rendered(path: str) -> None:
    """`make docs` writes it anew."""
    assert (DEPLOYED / path).read_text(encoding="utf-8") == rendered()[path]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    for path, text in rendered().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path / "prometheus"


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(
        [program("promtool"), "check", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules_without_a_warning(written: Path) -> None:
    assert "SUCCESS" in promtool("rules", "--lint=all", "--lint-fatal", written / "rules.yml")


def test_promtool_accepts_the_configuration(written: Path) -> None:
    assert "SUCCESS" in promtool("config", "--syntax-only", written / "prometheus.yml")


def configuration() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(rendered()["prometheus/prometheus.yml"])
    return found


def test_the_six_services_are_scraped_every_15_seconds() -> None:
    """AC9.1.1."""
    jobs = {each["job_name"]: each for each in configuration()["scrape_configs"]}

    assert {each.job for each in CORE} == {
        "suna", "onyx", "qdrant", "postgresql", "redis", "litellm"
    }  # fmt: skip
    assert {each.job for each in CORE} <= jobs.keys()
    assert configuration()["global"]["scrape_interval"] == "15s"
    assert not any("scrape_interval" in job for job in jobs.values())


def test_a_service_that_labels_without_bounds_costs_a_bounded_number_of_series() -> None:
    jobs = configuration()["scrape_configs"]

    assert all(job["sample_limit"] <= 20_000 for job in jobs if job["job_name"] != "blackbox")


def test_no_secret_is_written_but_where_it_stands() -> None:
    assert all(
        "password:" not in text and "credentials:" not in text for text in rendered().values()
    )


class TestMetrics:
    def test_the_specified_families_have_the_specified_buckets(self) -> None:
        assert {family.name: tuple(family.buckets) for family in SPECIFIED} == {
            "onyx_chat_duration_seconds": (0.1, 0.5, 1.0, 1.5, 2.0, 5.0),
            "onyx_rag_retrieval_duration_seconds": (0.05, 0.1, 0.2, 0.5, 1.0),
            "onyx_task_completion_total": (),
            "onyx_active_agents": (),
        }

    def test_no_label_says_who_asked(self) -> None:
        labels = {label for family in APPLICATION for label in family.labels}

        assert labels <= LABELS
        assert not {label for label in LABELS if "user" in label or "session" in label}

    def test_what_is_known_beforehand_starts_at_0(self) -> None:
        registry = CollectorRegistry()
        for family in APPLICATION:
            MAKERS[family.kind](family, registry)

        text = generate_latest(registry).decode()

        labels = {"task_type": "research", "success": "false", "duration_category": "fast"}
        assert registry.get_sample_value("onyx_task_completion_total", labels) == 0
        assert "onyx_http_requests_in_flight 0.0" in text
        assert f"# TYPE {CHAT.name} histogram" in text


def test_an_objective_that_the_histogram_cannot_show_is_refused() -> None:
    with pytest.raises(ValidationError, match="one of the buckets"):
        Thresholds(latency_objective_s=3)
