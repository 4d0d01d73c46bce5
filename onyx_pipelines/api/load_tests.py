"""`/api/load-test/…`: start one, see what it found, and make it the baseline of later ones."""

import uuid
from contextlib import suppress
from typing import Final

from onyx_pipelines.api.access import Caller
from onyx_pipelines.api.admission import Admitted, Asking, OfStack
from onyx_pipelines.api.launching import Asked, Launch
from onyx_pipelines.api.models import (
    BaselineAnswer,
    LoadTestAnswer,
    LoadTestMetrics,
    LoadTestRequest,
    LoadTestResults,
    PromoteRequest,
    RunId,
    RunState,
    whole_minutes,
)
from onyx_pipelines.api.service import Service, state_of
from onyx_pipelines.api.stacks import Stacks
from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.core.names import Asset, Job
from onyx_pipelines.core.text import BYTES_PER_GB
from onyx_pipelines.load_test import steps
from onyx_pipelines.load_test.plan import QUICK, Profile, expected_seconds, plan
from onyx_pipelines.load_test.results import LoadTestResult, Measure, Scenario

_LIKELY_ANSWER_S: Final = 1.0


def add_load_tests(stacks: Stacks) -> None:
    @stacks.operates.post("/api/load-test/start")
    def start_load_test(service: OfStack, wanted: LoadTestRequest, asked: Asking) -> LoadTestAnswer:
        """Start a load test of one scenario."""
        return start(service, wanted, asked)

    @stacks.reads.get("/api/load-test/results/{test_id}")
    def load_test_results(service: OfStack, test_id: RunId) -> LoadTestResults:
        """What a load test found; the latency is that of whole answers."""
        return results(service, test_id)

    @stacks.operates.post("/api/load-test/baseline")
    def promote(service: OfStack, wanted: PromoteRequest, caller: Admitted) -> BaselineAnswer:
        """Compare later load tests with this one."""
        return promoted(service, wanted, caller)


def start(service: Service, wanted: LoadTestRequest, asked: Asked) -> LoadTestAnswer:
    """Launch a load test of one scenario; refused where no target is set."""
    steps.target_of(service.settings)
    seconds = expected_seconds(plan(_profile(wanted)), _LIKELY_ANSWER_S)
    config = {
        "profile": QUICK.name,
        "scenarios": [wanted.scenario.name],
        "users": wanted.concurrent_users,
        "step_seconds": float(wanted.duration_seconds),
    }
    launch = Launch(
        Job.LOAD_TEST,
        config={"ops": {Asset.SAMPLES: {"config": config}}},
        answer=LoadTestAnswer(test_id="", estimated_duration_minutes=whole_minutes(seconds)),
        id_field="test_id",
        audit=service.audit(asked.caller, "load test", wanted.model_dump(mode="json")),
        tags=asked.caller.origin.as_tags(),
    )
    return service.launcher.once(asked, LoadTestAnswer, lambda: launch)


def results(service: Service, test_id: str) -> LoadTestResults:
    """By the id that starting it gave, or a run's key.

    Raises:
        ProblemError: 503, Dagster would know and does not answer.
        NotFoundError: there is no such load test.
    """
    folder = None
    with suppress(NotFoundError):  # it has not begun to write
        folder = steps.find_run(service.settings, label=test_id)
    run = service.dagster.run(test_id) if _is_uuid(test_id) else None
    if folder is None and run is None:
        folder = steps.find_run(service.settings, test_id)
    state = RunState.COMPLETED if run is None else state_of(run)
    if state is RunState.COMPLETED and folder is not None:
        result = steps.result_of(service.settings, folder)
        return LoadTestResults(
            test_id=test_id, status=state, verdict=result.verdict.value, metrics=_metrics(result)
        )
    if state is RunState.COMPLETED:
        state = RunState.FAILED
    return LoadTestResults(test_id=test_id, status=state, metrics=None)


def promoted(service: Service, wanted: PromoteRequest, caller: Caller) -> BaselineAnswer:
    """Make a load test the baseline of its environment."""
    try:
        folder = steps.find_run(service.settings, label=wanted.test_id)
    except NotFoundError:
        folder = steps.find_run(service.settings, wanted.test_id)
    with service.audit(caller, "load-test baseline promote", {"run": folder.run_key})():
        made = steps.promote(service.settings, folder, by=caller.name, reason=wanted.reason)
    return BaselineAnswer(
        baseline_id=made.baseline_id, run_key=made.run_key, promoted_by=made.promoted_by
    )


def _metrics(result: LoadTestResult) -> LoadTestMetrics:
    measured = [each for each in result.summaries if each.measure is not Measure.FIRST_TOKEN]
    first = measured[0] if measured else None
    p95 = first.percentile(0.95) if first else None
    memory = result.peak_memory_bytes
    return LoadTestMetrics(
        avg_latency_ms=first.mean_ms if first else None,
        p95_latency_ms=p95.value if p95 else None,
        requests_per_second=first.throughput_per_s if first else None,
        error_rate=first.error_rate if first else None,
        peak_memory_gb=None if memory is None else memory / BYTES_PER_GB,
    )


def _profile(wanted: LoadTestRequest) -> Profile:
    return QUICK.changed(
        scenarios=(Scenario(wanted.scenario),),
        users=wanted.concurrent_users,
        step_s=float(wanted.duration_seconds),
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
