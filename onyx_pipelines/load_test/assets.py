"""The nouns of a load test: samples, what they say, how they compare, and the report."""

import base64
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from onyx_pipelines.core.names import OWNERS, Asset, Group, Tag
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.text import (
    count_text,
    duration_text,
    latency_text,
    per_second_text,
    percent_text,
)
from onyx_pipelines.load_test import steps
from onyx_pipelines.load_test.metadata import (
    comparison_metadata,
    known,
    latency_metadata,
    saturation_metadata,
    sweep_metadata,
)
from onyx_pipelines.load_test.plan import FULL, PROFILES, Profile, plan, profile_named
from onyx_pipelines.load_test.report.answers import (
    Answer,
    alarm_answer,
    objective_answer,
    regression_answer,
    validity_answer,
)
from onyx_pipelines.load_test.resources import LoadTestRun
from onyx_pipelines.load_test.results import Alarm, LoadTestResult, LoadVerdict, Scenario
from onyx_pipelines.load_test.targets import CHAT_OBJECTIVE, MEMORY_OBJECTIVE, RAG_OBJECTIVE
from onyx_pipelines.notify import Event, Outcome
from onyx_pipelines.notify.configured import tell
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.materialized import Materialized
from onyx_pipelines.orchestration.resources import OnyxSettings

if TYPE_CHECKING:
    from onyx_pipelines.load_test.running.execution import LoadProgress
    from onyx_pipelines.load_test.running.run_folder import RunFolder

_TOLD_EVERY_S = 10.0
_LARGEST_THUMBNAIL = 120_000


def _usual(field: str) -> str:
    """What the profiles have there, for people."""
    return "; ".join(f"{each.name}: {getattr(each, field)}" for each in PROFILES.values())


class LoadTestConfig(dg.Config):
    """Launchpad options. What is null is the profile's; so are 0, -1 and "", which older run
    configs have in its place."""

    profile: str | None = Field(
        default=None,
        description="How hard and how long: full or quick. null: ONYX_LOAD_TEST_PROFILE.",
    )
    scenarios: list[Scenario] | None = Field(
        default=None,
        description="What is asked of the service, some of CHAT, RAG, AGENT_TASKS. null: all.",
    )
    users: int = Field(
        default=FULL.users,
        ge=0,
        description="Users at a time; every profile has the same. Example: 50.",
    )
    messages: int = Field(
        default=FULL.messages,
        ge=0,
        description="Messages of each user; every profile has the same.",
    )
    repeats: int | None = Field(
        default=None,
        ge=0,
        description=f"Repeats of the baseline block. null: the profile's ({_usual('repeats')}).",
    )
    step_seconds: float | None = Field(
        default=None,
        ge=0,
        description="Seconds that each step of the sweep lasts."
        f" null: the profile's ({_usual('step_s')}).",
    )
    sweep_users: list[int] | None = Field(
        default=None,
        description="Users at a time of each step of the sweep."
        f" null: the profile's ({_usual('sweep_users')}).",
    )
    open_seconds: float | None = Field(
        default=None,
        description="Seconds of the open-model run, in which requests come at a fixed rate; 0: no"
        f" such run. null: the profile's ({_usual('open_s')}).",
    )

    def as_profile(self, usual: str) -> Profile:
        """Raises SettingsError: there is no profile of that name."""
        has_open = self.open_seconds is not None and self.open_seconds >= 0
        return profile_named(self.profile or usual).changed(
            scenarios=tuple(self.scenarios or ()) or None,
            users=self.users or None,
            messages=self.messages or None,
            repeats=self.repeats or None,
            step_s=self.step_seconds or None,
            sweep_users=tuple(self.sweep_users or ()) or None,
            open_s=self.open_seconds if has_open else None,
        )


class RunChoice(dg.Config):
    """Which load test is analysed."""

    run_key: str | None = Field(
        default=None,
        description="Key of the load test, as load_test_samples shows it. null: that of this"
        " Dagster run, else the newest.",
    )


@dg.asset(
    key=Asset.SAMPLES,
    group_name=Group.LOAD_TEST,
    kinds={"k6", "parquet"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.6.1"},
    description="Every request of the test, as k6 saw it. The only asset that sends anything; a"
    " run that is executed again goes on with the units that are missing (AC9.6.1).",
    check_specs=[
        dg.AssetCheckSpec(
            "load_test_is_valid",
            asset=Asset.SAMPLES,
            description="All was sent and answered, users were busy, the generator had CPU to"
            " spare, latency was steady. Else nothing that follows proves anything.",
        )
    ],
)
def load_test_samples(
    context: dg.AssetExecutionContext, config: LoadTestConfig, load_test_run: LoadTestRun
) -> Materialized:
    settings = load_test_run.settings
    label = context.run.root_run_id or context.run.run_id
    with dagster_failures():
        profile = config.as_profile(settings.load_test_profile)
        folder = steps.run(
            settings,
            profile,
            label,
            on_progress=_Telling(context.log.info),
            on_alarm=lambda alarm: _tell(settings, alarm, context.run.run_id),
        )
        result = steps.result_of(settings, folder)
    units = list(folder.units(plan(profile)))
    return dg.MaterializeResult(
        metadata={
            "run_key": folder.run_key,
            "samples": dg.MetadataValue.path(str(folder.path)),
            "dagster/row_count": sum(unit.rows for unit in units),
            "units_count": len(units),
            "generator_s": round(result.generator_s, 1),
            "alarms_count": len(result.alarms),
            "environment": result.environment.fingerprint,
            "version/k6": result.environment.k6_version,
        },
        check_results=[check_result("load_test_is_valid", validity_answer(result))],
    )


_CHECKED = {
    "chat_p95_within_objective": "The p95 of chat is within its objective (1.5 s, AC9.6.2), as far"
    " as the samples prove it.",
    "rag_p95_within_objective": "The p95 of retrieval is within its objective (200 ms, AC9.6.2), as"
    " far as the samples prove it.",
    "peak_memory_within_limit": "All services together stayed within the limit (12 GB, AC9.6.2).",
    "no_regression": "No p95 is worse than the baseline's by more than the repeats explain.",
    "no_latency_alarm": "No p95 is more than twice the baseline's.",
}


def analysed(
    name: str,
    description: str,
    metadata: Callable[[LoadTestResult], Mapping[str, Any]],
    checks: Mapping[str, Callable[[LoadTestResult], Answer]],
    *,
    deps: list[str],
    acceptance: str,
) -> dg.AssetsDefinition:
    """An asset that only looks at samples: materialising it again sends nothing."""

    @dg.asset(
        key=name,
        deps=deps,
        group_name=Group.LOAD_TEST,
        kinds={"python"},
        owners=OWNERS,
        tags={Tag.ACCEPTANCE: acceptance},
        description=description,
        check_specs=[
            dg.AssetCheckSpec(check, asset=name, description=_CHECKED[check]) for check in checks
        ],
    )
    def of_samples(
        context: dg.AssetExecutionContext, config: RunChoice, onyx: OnyxSettings
    ) -> Materialized:
        settings = onyx.load()
        with dagster_failures():
            folder = chosen_run(context, config, onyx)
            result = steps.result_of(settings, folder)
        return dg.MaterializeResult(
            metadata={"run_key": folder.run_key, **known(metadata(result))},
            check_results=[check_result(check, judge(result)) for check, judge in checks.items()],
        )

    return of_samples


def chosen_run(
    context: dg.AssetExecutionContext, config: RunChoice, onyx: OnyxSettings
) -> "RunFolder":
    """That which this run made, unless another one was named."""
    settings = onyx.load()
    if config.run_key:
        return steps.find_run(settings, config.run_key)
    label = context.run.root_run_id or context.run.run_id
    selected = context.run.asset_selection
    if selected is None or dg.AssetKey(Asset.SAMPLES) in selected:
        return steps.find_run(settings, label=label)
    return steps.find_run(settings)


latency_percentiles = analysed(
    Asset.PERCENTILES,
    "p50, p90, p95, p99 with intervals, throughput and error rate of the baseline block (AC9.6.2).",
    latency_metadata,
    {
        "chat_p95_within_objective": lambda result: objective_answer(result, CHAT_OBJECTIVE),
        "rag_p95_within_objective": lambda result: objective_answer(result, RAG_OBJECTIVE),
    },
    deps=[Asset.SAMPLES],
    acceptance="AC9.6.2",
)
service_saturation = analysed(
    Asset.SATURATION,
    "How full CPUs and pools were and how much memory was used, per service (AC9.6.2).",
    saturation_metadata,
    {"peak_memory_within_limit": lambda result: objective_answer(result, MEMORY_OBJECTIVE)},
    deps=[Asset.SAMPLES],
    acceptance="AC9.6.2",
)
concurrency_sweep = analysed(
    Asset.SWEEP,
    "Throughput over users, a queue model fitted to it, and the knee with its interval (AC9.6.3).",
    sweep_metadata,
    {},
    deps=[Asset.SAMPLES],
    acceptance="AC9.6.3",
)
baseline_comparison = analysed(
    Asset.COMPARISON,
    "This run against the promoted baseline of the same environment, decided over repeats.",
    comparison_metadata,
    {"no_regression": regression_answer, "no_latency_alarm": alarm_answer},
    deps=[Asset.PERCENTILES, Asset.BASELINE],
    acceptance="AC9.6.2",
)


@dg.asset(
    key=Asset.BOTTLENECKS,
    deps=[Asset.PERCENTILES, Asset.SATURATION, Asset.SWEEP, Asset.COMPARISON],
    group_name=Group.LOAD_TEST,
    kinds={"html", "matplotlib"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.6.3"},
    description="What limits the system, the evidence for it, what to do about it and what that"
    " should gain, as a page for people (AC9.6.3).",
)
def bottleneck_report(
    context: dg.AssetExecutionContext, config: RunChoice, onyx: OnyxSettings
) -> Materialized:
    from onyx_pipelines.load_test.report.markdown import summary_markdown
    from onyx_pipelines.load_test.report.sentences import cause_text
    from onyx_pipelines.load_test.report.writing import thumbnail_png

    with dagster_failures():
        result, files = steps.report(onyx.load(), chosen_run(context, config, onyx))
    metadata: dict[str, Any] = {
        "run_key": result.run_id,
        "verdict": result.verdict.value,
        "summary": dg.MetadataValue.md(summary_markdown(result)),
        "report": dg.MetadataValue.path(str(files.html.absolute())),
    }
    picture = thumbnail_png(result)
    if len(picture) < _LARGEST_THUMBNAIL:
        data = base64.b64encode(picture).decode()
        metadata["picture"] = dg.MetadataValue.md(
            f"![Latency budget](data:image/png;base64,{data})"
        )
    for each in result.attributions:
        if each.cause is not None:
            name = each.scenario.value
            metadata[f"{name}/cause"] = cause_text(each.cause)
            metadata[f"{name}/confidence"] = each.cause.confidence
    return dg.MaterializeResult(metadata=metadata)


class PromotionConfig(dg.Config):
    """Who makes which run the baseline."""

    run_key: str = Field(
        description="Key of the load test, as load_test_samples shows it, or the beginning of one."
    )
    by: str = Field(min_length=1, description="Your name; it stays with the baseline.")
    reason: str | None = Field(
        default=None,
        description="Why this one; it stays with the baseline. Example: after the new GPU.",
    )


@dg.asset(
    key=Asset.BASELINE,
    group_name=Group.LOAD_TEST,
    kinds={"json"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.6.2"},
    description="What later runs are compared with. Only a person makes one, by the job"
    " promote_load_test_baseline or `onyx load-test baseline promote`; it is never replaced"
    " (AC9.6.2).",
)
def load_test_baseline(config: PromotionConfig, onyx: OnyxSettings) -> Materialized:
    settings = onyx.load()
    with dagster_failures():
        folder = steps.find_run(settings, config.run_key)
        baseline = steps.promote(settings, folder, by=config.by, reason=config.reason or "")
    return dg.MaterializeResult(
        metadata={
            "baseline_id": baseline.baseline_id,
            "run_key": baseline.run_key,
            "promoted_by": baseline.promoted_by,
            "environment": baseline.fingerprint,
            "promoted_at": dg.MetadataValue.timestamp(baseline.promoted_at),
        }
    )


def check_result(name: str, answer: Answer) -> dg.AssetCheckResult:
    """What is not decided is a failing check of severity WARN."""
    undecided = answer.verdict in {LoadVerdict.INCONCLUSIVE, LoadVerdict.INVALID}
    return dg.AssetCheckResult(
        check_name=name,
        passed=answer.verdict is LoadVerdict.PASSED,
        severity=dg.AssetCheckSeverity.WARN if undecided else dg.AssetCheckSeverity.ERROR,
        description=answer.text or None,
        metadata={"verdict": answer.verdict.value},
    )


class _Telling:
    """One log line in a while."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._told = 0.0

    def __call__(self, progress: "LoadProgress") -> None:
        now = time.monotonic()
        if now - self._told < _TOLD_EVERY_S:
            return
        self._told = now
        self._log(
            f"{progress.unit}: {count_text(progress.users, 'user')},"
            f" {per_second_text(progress.rate_per_s)}, p95 {latency_text(progress.p95_ms)},"
            f" {percent_text(progress.error_rate, 1)} errors,"
            f" about {duration_text(progress.left_s)} left ({percent_text(progress.share)})"
        )


def _tell(settings: Settings, alarm: Alarm, run_id: str) -> None:
    tell(
        settings,
        Event(
            outcome=Outcome.FAILED,
            subject=f"load test: {alarm.name}",
            run_id=run_id,
            # Not the job's own: a limit that is crossed has not failed the run.
            job="load_test limits",
            summary=alarm.text,
        ),
        # The test goes on meanwhile.
        wait=False,
    )
