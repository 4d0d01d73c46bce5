"""The job `load_test` on a real instance, real k6, against the sandbox's application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from onyx_pipelines.definitions import build_defs
from onyx_pipelines.load_test.running.run_folder import RunFolder
from onyx_pipelines.sandbox.stack import Sandbox
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines_tests.backup.job_runs import checks_of, failed_steps, metadata_of
from onyx_pipelines_tests.fixtures_sandbox import no_faults

pytestmark = [pytest.mark.slow, pytest.mark.measures]

CONFIG: dict[str, Any] = {
    "scenarios": ["RAG"],
    "users": 5,
    "messages": 20,
    "repeats": 3,
    "step_seconds": 1.0,
    "sweep_users": [1, 2, 4, 8],
    "open_seconds": 0.0,
}


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="module")
def overrides(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("load-test")
    told = sandbox.environment()
    return {
        "state_dir": str(root / "state"),
        "reports_dir": str(root / "reports"),
        "load_test_url": told["ONYX_LOAD_TEST_URL"],
        "load_test_services": told["ONYX_LOAD_TEST_SERVICES"],
        "load_test_cleanup_path": told["ONYX_LOAD_TEST_CLEANUP_PATH"],
    }


def run(
    instance: dg.DagsterInstance, overrides: dict[str, Any], job: str, **config: Any
) -> dg.ExecuteInProcessResult:
    name = "load_test_samples" if job == "load_test" else "load_test_baseline"
    with no_faults():
        return (
            build_defs(overrides)
            .resolve_job_def(job)
            .execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={"ops": {name: {"config": config}}},
            )
        )


@pytest.fixture(scope="module")
def whole(instance: dg.DagsterInstance, overrides: dict[str, Any]) -> dg.ExecuteInProcessResult:
    """One run of the job; what it sent is looked at by many tests.

    Again where the machine was busy with something else, which makes a run invalid.
    """
    for _ in range(4):
        result = run(instance, overrides, "load_test", **CONFIG)
        assert result.success, failed_steps(result)
        valid, _ = checks_of(result)["load_test_samples:load_test_is_valid"]
        if valid:
            break
    return result


def test_percentiles_are_numbers_that_can_be_plotted(whole: dg.ExecuteInProcessResult) -> None:
    metadata = metadata_of(whole, "latency_percentiles")

    for name in ("p50_ms", "p90_ms", "p95_ms", "max_ms"):
        assert isinstance(metadata[f"rag/retrieval_{name}"], float)
    # 300 samples do not support it.
    assert "rag/retrieval_p99_ms" not in metadata
    assert isinstance(metadata["rag/throughput_per_s"], float)
    assert metadata["rag/error_rate"] == 0


def test_every_promise_is_judged(whole: dg.ExecuteInProcessResult) -> None:
    checks = checks_of(whole)

    assert set(checks) == {
        "load_test_samples:load_test_is_valid",
        "latency_percentiles:chat_p95_within_objective",
        "latency_percentiles:rag_p95_within_objective",
        "service_saturation:peak_memory_within_limit",
        "baseline_comparison:no_regression",
        "baseline_comparison:no_latency_alarm",
    }
    assert checks["service_saturation:peak_memory_within_limit"] == (True, "ERROR")
    # Neither kept nor broken: a warning.
    assert checks["latency_percentiles:chat_p95_within_objective"] == (False, "WARN")
    assert checks["baseline_comparison:no_regression"] == (False, "WARN")


def test_every_service_of_the_stack_was_watched(whole: dg.ExecuteInProcessResult) -> None:
    metadata = metadata_of(whole, "service_saturation")

    for service in ("app", "pg", "qdrant", "host"):
        # Without a limit above: where much else runs, many of its threads wait for a CPU.
        assert metadata[f"{service}/cpu_saturation"] >= 0  # type: ignore[operator]  # figures, whatever Dagster calls them
    assert metadata["app/pool_saturation"] is not None
    assert metadata["peak_memory_bytes"] > 50e6  # type: ignore[operator]  # figures, whatever Dagster calls them


def test_one_asset_analyses_and_the_others_read(
    whole: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, overrides: dict[str, Any]
) -> None:
    key = str(metadata_of(whole, "load_test_samples")["run_key"])
    analysed_s = RunFolder(Path(overrides["state_dir"]), key).result_path.stat().st_mtime

    steps = instance.get_run_step_stats(whole.run_id)

    others = [each.start_time for each in steps if each.step_key != "load_test_samples"]
    assert len(others) >= 5
    assert all(started and started > analysed_s for started in others)


def test_the_report_is_linked_and_shown(
    whole: dg.ExecuteInProcessResult, overrides: dict[str, Any]
) -> None:
    metadata = metadata_of(whole, "bottleneck_report")

    report = Path(str(metadata["report"]))
    assert report.is_relative_to(overrides["reports_dir"])
    assert "<svg" in report.read_text()
    assert "Objective" in str(metadata["summary"])
    assert "rag:" in str(metadata["summary"])


def test_everything_but_the_samples_can_be_made_again_without_sending_anything(
    whole: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, overrides: dict[str, Any]
) -> None:
    again = (
        build_defs(overrides | {"load_test_url": "http://127.0.0.1:1"})
        .resolve_job_def("load_test")
        .execute_in_process(instance=instance, asset_selection=[dg.AssetKey("bottleneck_report")])
    )

    assert again.success
    assert (
        metadata_of(again, "bottleneck_report")["run_key"]
        == metadata_of(whole, "bottleneck_report")["run_key"]
    )


def test_a_person_promotes_a_baseline_and_it_says_who(
    whole: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, overrides: dict[str, Any]
) -> None:
    key = str(metadata_of(whole, "load_test_samples")["run_key"])

    made = run(instance, overrides, "promote_load_test_baseline", run_key=key, by="Ada")
    twice = run(instance, overrides, "promote_load_test_baseline", run_key=key, by="Eve")

    assert metadata_of(made, "load_test_baseline")["promoted_by"] == "Ada"
    assert "is the baseline already" in " ".join(failed_steps(twice).values())


def test_no_load_is_sent_while_a_backup_runs(
    instance: dg.DagsterInstance, overrides: dict[str, Any]
) -> None:
    with ExclusiveLock(Path(overrides["state_dir"]), "backup"):
        result = run(instance, overrides, "load_test", **CONFIG)

    assert not result.success


def test_a_host_that_is_not_listed_fails_the_run_with_one_sentence(
    instance: dg.DagsterInstance, overrides: dict[str, Any]
) -> None:
    elsewhere = overrides | {"load_test_url": "http://example.org"}

    result = run(instance, elsewhere, "load_test", **CONFIG)

    assert (
        "example.org is not in ONYX_LOAD_TEST_ALLOWED_HOSTS"
        in (failed_steps(result)["load_test_samples"])
    )
