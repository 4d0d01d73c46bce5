"""A load test from settings to result, for Dagster, the command line and the API alike.

What pandas and scipy are needed for is imported inside: that takes two seconds of CPU, and every
process of Dagster and of the API imports this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from onyx_pipelines.core.errors import NotFoundError, SettingsError
from onyx_pipelines.core.settings import HostSettings, LoadTestSettings, ObjectiveSettings
from onyx_pipelines.core.text import BYTES_PER_GB
from onyx_pipelines.load_test.k6.binary import find_k6
from onyx_pipelines.load_test.plan import Profile, plan
from onyx_pipelines.load_test.results import Alarm, LoadTestResult, Measure, Scenario
from onyx_pipelines.load_test.running.environment import describe_environment, run_key_of
from onyx_pipelines.load_test.target import Target, require_allowed
from onyx_pipelines.load_test.targets import Targets
from onyx_pipelines.load_test.telemetry.services import parse_services

if TYPE_CHECKING:
    from onyx_pipelines.load_test.baselines import Baseline
    from onyx_pipelines.load_test.running.execution import LiveLimit, LoadProgress
    from onyx_pipelines.load_test.running.run_folder import RunFolder
    from onyx_pipelines.reporting.publish import Published

LATEST: Final = "latest"


def target_of(settings: LoadTestSettings) -> Target:
    """The target, once it was found to be one that may be loaded.

    Raises:
        SettingsError: none is set, or it is not on the list.
    """
    if not settings.load_test_url:
        raise SettingsError(
            "ONYX_LOAD_TEST_URL is not set, so there is nothing to test.",
            remedy="Set it to the origin of the deployment, and add its host to"
            " ONYX_LOAD_TEST_ALLOWED_HOSTS.",
        )
    target = Target(
        url=settings.load_test_url,
        token=settings.load_test_token,
        paths={
            Scenario.CHAT: settings.load_test_chat_path,
            Scenario.RAG: settings.load_test_rag_path,
            Scenario.AGENT_TASKS: settings.load_test_agent_path,
        },
    )
    require_allowed(target, settings.load_test_allowed_hosts)
    return target


def run(
    settings: LoadTestSettings,
    profile: Profile,
    label: str,
    *,
    on_progress: Callable[[LoadProgress], None] = lambda _: None,
    on_alarm: Callable[[Alarm], None] = lambda _: None,
    on_start: Callable[[RunFolder], None] = lambda _: None,
) -> RunFolder:
    """Send the load that is not sent yet; the same label goes on with an interrupted run.

    Raises:
        SettingsError: no target, one that may not be loaded, no k6.
        OnyxError, OSError: the test could not be run to its end.
    """
    from onyx_pipelines.load_test.running.execution import Running, run_units
    from onyx_pipelines.load_test.running.run_folder import RunFolder, RunRecord

    target = target_of(settings)
    services = parse_services(settings.load_test_services)
    if any(service.prometheus for service in services) and not settings.prometheus_url:
        raise SettingsError(
            "ONYX_LOAD_TEST_SERVICES names what only Prometheus knows, and none is configured.",
            remedy="Set ONYX_PROMETHEUS_URL, or watch pid, pidfile or cgroup.",
        )
    k6 = find_k6()
    environment = describe_environment(k6, target, profile, settings.load_test_llm, {})
    folder = RunFolder(settings.state_dir, run_key_of(label, profile, environment))
    folder.begin(
        RunRecord(
            run_key=folder.run_key,
            label=label,
            profile=profile,
            target=target.origin,
            environment=environment,
            started_at=datetime.now(UTC),
        )
    )
    on_start(folder)
    run_units(
        folder,
        Running(
            k6=k6,
            target=target,
            profile=profile,
            services=services,
            prometheus_url=settings.prometheus_url,
            limits=_limits(settings),
            cleanup_path=settings.load_test_cleanup_path,
            on_progress=on_progress,
            on_alarm=on_alarm,
        ),
    )
    return folder


def find_run(settings: HostSettings, wanted: str = LATEST, *, label: str = "") -> RunFolder:
    """By key or the beginning of one, "latest", or the label that it was started with.

    Raises:
        NotFoundError: there is none.
    """
    from onyx_pipelines.load_test.running.run_folder import RunFolder, run_keys

    keys = run_keys(settings.state_dir)
    folders = [RunFolder(settings.state_dir, key) for key in keys]
    if label:
        folders = [folder for folder in folders if folder.record().label == label]
    elif wanted != LATEST:
        folders = [folder for folder in folders if folder.run_key.startswith(wanted)]
    if not folders:
        raise NotFoundError(
            f"There is no load test {label or wanted}.",
            remedy="`onyx load-test list` shows those that there are.",
        )
    return folders[0]


def result_of(settings: LoadTestSettings, folder: RunFolder) -> LoadTestResult:
    """What the run found; nothing is sent, and it is analysed once. Raises NotFoundError."""
    from onyx_pipelines.load_test.analysis import kept

    return kept.result_of(folder, targets_of(settings), baseline_for(settings, folder))


def baseline_for(settings: HostSettings, folder: RunFolder) -> Baseline | None:
    """Of the run's environment. A run that is the baseline itself has none."""
    from onyx_pipelines.load_test.baselines import BaselineStore

    record = folder.record()
    current = BaselineStore(settings.state_dir).current(record.environment.fingerprint)
    return None if current is None or current.run_key == folder.run_key else current


def report(settings: LoadTestSettings, folder: RunFolder) -> tuple[LoadTestResult, Published]:
    """Write the run's report. Raises ReportError, NotFoundError."""
    from onyx_pipelines.load_test.report.writing import write_report

    result = result_of(settings, folder)
    samples = folder.samples(plan(folder.record().profile))
    targets_ms = drawn_targets(settings)
    return result, write_report(
        result, samples, settings.reports_dir, targets_ms, stack=settings.stack
    )


def promote(
    settings: LoadTestSettings, folder: RunFolder, *, by: str, reason: str = ""
) -> Baseline:
    """Make the run its environment's baseline. Raises SettingsError: it is not fit for that."""
    from onyx_pipelines.load_test.analysis.comparison import series_of
    from onyx_pipelines.load_test.baselines import BaselineStore

    result = result_of(settings, folder)
    series = series_of(folder.samples(plan(folder.record().profile)))
    return BaselineStore(settings.state_dir).promote(result, series, by=by, reason=reason)


def targets_of(settings: ObjectiveSettings) -> Targets:
    measure = settings.chat_objective_measure
    return Targets(
        chat_p95_ms=settings.chat_p95_objective_ms,
        rag_p95_ms=settings.rag_p95_objective_ms,
        memory_bytes=settings.peak_memory_objective_gb * BYTES_PER_GB,
        chat_measure=Measure(measure) if measure else None,
    )


def drawn_targets(settings: ObjectiveSettings) -> Mapping[Scenario, float]:
    return {
        Scenario.CHAT: settings.chat_p95_objective_ms,
        Scenario.RAG: settings.rag_p95_objective_ms,
    }


def _limits(settings: ObjectiveSettings) -> tuple[LiveLimit, ...]:
    """The chat objective is about first tokens unless it is said otherwise."""
    from onyx_pipelines.load_test.running.execution import LiveLimit

    first_token = settings.chat_objective_measure != Measure.FULL_ANSWER.value
    return (
        LiveLimit(Scenario.CHAT, settings.chat_p95_objective_ms, of_first_token=first_token),
        LiveLimit(Scenario.RAG, settings.rag_p95_objective_ms),
    )
