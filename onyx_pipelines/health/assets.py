"""One noun: how the stack is."""

from collections.abc import Callable

import dagster as dg

from onyx_pipelines.backup.assets import freshness
from onyx_pipelines.core.names import OWNERS, Asset, Group
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.health.rendering import markdown
from onyx_pipelines.health.verdict import Condition, StackHealth
from onyx_pipelines.orchestration.check_results import check_result
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.materialized import Materialized
from onyx_pipelines.orchestration.resources import OnyxSettings

_VERDICTS = {
    Condition.OK: Verdict.PASSED,
    Condition.DEGRADED: Verdict.FAILED,
    Condition.UNKNOWN: Verdict.COULD_NOT_VERIFY,
    Condition.FAILING: Verdict.FAILED,
}


def stack_health_asset(examine: Callable[[Settings], StackHealth]) -> dg.AssetsDefinition:
    """`examine`: looks at the whole, also at what stands above this package."""

    @dg.asset(
        key=Asset.STACK_HEALTH,
        deps=[Asset.SCRAPE_COVERAGE, Asset.ENDPOINT_LATENCY, Asset.ERROR_RATE],
        group_name=Group.MONITORING,
        owners=OWNERS,
        description="How the whole stack is, in one sentence: the worst of backups, drills, load"
        " tests, scraping, alerts, errors and readiness, each with evidence, age and next action."
        " `onyx health` says the same where Dagster does not run.",
        freshness_policy=freshness(3),
        check_specs=[
            dg.AssetCheckSpec(
                "stack_is_well",
                asset=Asset.STACK_HEALTH,
                description="Nothing that is watched fails or is degraded; what is unknown proves"
                " nothing.",
            )
        ],
    )
    def stack_health(onyx: OnyxSettings) -> Materialized:
        with dagster_failures():
            health = examine(onyx.load())
        condition = health.condition
        return dg.MaterializeResult(
            metadata={
                "condition": condition.value,
                "sentence": health.sentence,
                "action": health.action,
                "areas": dg.MetadataValue.md(markdown(health)),
                "details": dg.MetadataValue.md(
                    "\n".join(f"- {line}" for each in health.findings for line in each.details)
                ),
            },
            check_results=[
                check_result(
                    "stack_is_well",
                    _VERDICTS[condition],
                    health.gist,
                    grave=condition is Condition.FAILING,
                )
            ],
        )

    return stack_health
