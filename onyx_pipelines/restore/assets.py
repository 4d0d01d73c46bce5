"""The nouns of a drill: three components that came back, and the report about them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from onyx_pipelines.core.names import DRILL_ASSETS, OWNERS, Asset, Group, Tag
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.orchestration.check_results import check_result
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.materialized import Materialized
from onyx_pipelines.orchestration.progress_lines import log_progress
from onyx_pipelines.orchestration.resources import ExclusiveRun, OnyxSettings
from onyx_pipelines.restore import drill
from onyx_pipelines.restore.drill_folder import DrillFolder
from onyx_pipelines.restore.finding_sets import FoundSet
from onyx_pipelines.restore.promises import (
    Answer,
    content_answer,
    newest_answer,
    recency_answer,
    recovery_time_answer,
    rows_answer,
    schema_answer,
)
from onyx_pipelines.restore.report.markdown import findings_markdown, summary_markdown
from onyx_pipelines.restore.report.writing import write_report
from onyx_pipelines.restore.results import ComponentResult, StepClock
from onyx_pipelines.sources.source import Component

_KINDS = {
    Component.POSTGRESQL: {"postgres"},
    Component.QDRANT: {"qdrant"},
    Component.VOLUMES: {"docker"},
}
_DESCRIPTIONS = {
    Component.POSTGRESQL: "Every database restored into a throw-away cluster and compared: rows,"
    " fingerprints, sequences, schema, extensions, roles (AC9.4.1, AC9.4.3).",
    Component.QDRANT: "Every snapshot opened by Qdrant's own engine and compared: exact count,"
    " sampled points, the stored query (AC9.4.1, AC9.4.3).",
    Component.VOLUMES: "Every volume extracted and compared: each path, type, size, mode, link and"
    " SHA-256 (AC9.4.1, AC9.4.3).",
}
_CHECKS = {
    Component.POSTGRESQL: {
        "postgres_rows_match": rows_answer,
        "postgres_schema_matches": schema_answer,
    },
    Component.QDRANT: {"qdrant_points_match": content_answer},
    Component.VOLUMES: {"volumes_files_match": content_answer},
}

_CHECKED = {
    "postgres_rows_match": "Every table has the rows that were backed up: counts, fingerprints,"
    " sequences.",
    "postgres_schema_matches": "Tables, indexes, constraints, extensions and roles are those that"
    " were backed up.",
    "qdrant_points_match": "Every collection has its points, its configuration and its aliases, and"
    " answers the stored query as it did.",
    "volumes_files_match": "Every path has its type, size, mode, links and SHA-256.",
}


class DrillRun(ExclusiveRun):
    """No drill beside a backup, which would measure neither rightly."""


class DrillConfig(dg.Config):
    """Launchpad options of the drills; give all of a run the same."""

    backup_id: str = Field(
        default="latest", description='The set: its id, the beginning of one, or "latest".'
    )
    store: str | None = Field(
        default=None,
        description="The store to restore from: `local`, `offsite`. null: the off-site one if"
        " there is one, else the local one.",
    )


def drill_asset(component: Component) -> dg.AssetsDefinition:
    """The drill of one component; all three are alike but for what they restore."""

    @dg.asset(
        key=DRILL_ASSETS[component],
        deps=[Asset.OFFSITE_COPY],
        group_name=Group.RESTORE,
        kinds=_KINDS[component],
        owners=OWNERS,
        tags={Tag.COMPONENT: component.value},
        description=_DESCRIPTIONS[component],
        check_specs=[
            dg.AssetCheckSpec(name, asset=DRILL_ASSETS[component], description=_CHECKED[name])
            for name in _CHECKS[component]
        ],
    )
    def restore_drill(
        context: dg.AssetExecutionContext, config: DrillConfig, drill_run: DrillRun
    ) -> Materialized:
        settings = drill_run.settings
        folder = DrillFolder(settings.state_dir, context.run.run_id)
        _, started = folder.start()
        with dagster_failures():
            drillable = drill.choose_set(settings, config.backup_id, config.store or None)
            if component not in drill.components_of(drillable):
                return _absent(component)
            result = drill.drill_component(
                settings,
                drillable,
                component,
                StepClock(started=started),
                log_progress(context.log.info),
            )
        folder.put(result)
        return dg.MaterializeResult(
            metadata=_metadata(result, drillable),
            check_results=[
                _checked(name, judge(result)) for name, judge in _CHECKS[component].items()
            ],
        )

    return restore_drill


@dg.asset(
    key=Asset.DRILL_REPORT,
    deps=list(DRILL_ASSETS.values()),
    group_name=Group.RESTORE,
    kinds={"html"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.4.1"},
    description="What the drill found and how long recovery took, as a page for people, with the"
    " history of earlier drills (AC9.4.1, AC9.4.2).",
    check_specs=[
        dg.AssetCheckSpec(
            "recovery_time_within_objective",
            asset=Asset.DRILL_REPORT,
            description="The measured recovery time is within the objective (60 min, AC9.4.2).",
        ),
        dg.AssetCheckSpec(
            "newest_set_is_drilled",
            asset=Asset.DRILL_REPORT,
            description="No newer set was passed over because it is damaged, not trusted or dated"
            " ahead.",
        ),
    ],
)
def restore_drill_report(
    context: dg.AssetExecutionContext, config: DrillConfig, drill_run: DrillRun
) -> Materialized:
    settings = drill_run.settings
    folder = DrillFolder(settings.state_dir, context.run.run_id)
    started_at, _ = folder.start()
    with dagster_failures():
        drillable = drill.choose_set(settings, config.backup_id, config.store or None)
        result = drill.assemble(
            settings, drillable, context.run.run_id, started_at, folder.results()
        )
        summary, findings = summary_markdown(result), findings_markdown(result)
        paths = write_report(result, settings.reports_dir, stack=settings.stack)
    folder.remove()
    for sentence in result.passed_over:
        context.log.warning(sentence)
    return dg.MaterializeResult(
        metadata={
            "verdict": result.verdict.value,
            "summary": dg.MetadataValue.md(summary),
            "findings": dg.MetadataValue.md(findings),
            "report": dg.MetadataValue.path(str(Path(paths.html).absolute())),
            "backup_id": result.backup_id,
            "store": result.store,
            "recovery_s": round(result.recovery_s, 3),
            "objective_s": float(result.objective_s),
            "recovery_point": dg.MetadataValue.timestamp(result.recovery_point),
            "problems_count": sum(len(each.problems()) for each in result.components),
        },
        check_results=[
            _checked("recovery_time_within_objective", recovery_time_answer(result)),
            _checked("newest_set_is_drilled", newest_answer(result)),
        ],
    )


@dg.asset_check(
    asset=Asset.DRILL_REPORT,
    description="A drill has passed within ONYX_DRILL_MAX_AGE_DAYS; a missing success fails too.",
)
def drill_is_recent(onyx: OnyxSettings) -> dg.AssetCheckResult:
    settings = onyx.load()
    with dagster_failures():
        last = drill.last_passed(settings)
    answer = recency_answer(last, datetime.now(UTC), timedelta(days=settings.drill_max_age_days))
    return _checked(None, answer)


def _checked(name: str | None, answer: Answer) -> dg.AssetCheckResult:
    return check_result(name, answer.verdict, answer.text)


def _metadata(result: ComponentResult, drillable: FoundSet) -> dict[str, Any]:
    return {
        "verdict": result.verdict.value,
        "backup_id": drillable.backup_id,
        "store": drillable.store.name,
        "plain_bytes": result.plain_bytes,
        "recovery_s": round(result.recovery_s, 3),
        "throughput_mb_s": round(result.plain_bytes / max(result.recovery_s, 1e-6) / 1e6, 3),
        "findings_count": len(result.findings),
        "problems_count": len(result.problems()),
        **{f"version/{tool}": version for tool, version in result.versions.items()},
    }


def _absent(component: Component) -> Materialized:
    answer = Answer(Verdict.COULD_NOT_VERIFY, (f"the set has no {component.value}",))
    return dg.MaterializeResult(
        metadata={"verdict": answer.verdict.value},
        check_results=[_checked(name, answer) for name in _CHECKS[component]],
    )
