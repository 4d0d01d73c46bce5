"""One noun: the launch checklist, looked at."""

import dagster as dg

from onyx_pipelines.backup.assets import freshness
from onyx_pipelines.core.names import OWNERS, Asset, Group, Tag
from onyx_pipelines.core.verdict import worst
from onyx_pipelines.orchestration.check_results import check_result
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.materialized import Materialized
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.readiness.launch.checklist import checklist
from onyx_pipelines.readiness.launch.report import items_table, progress_table, write_review
from onyx_pipelines.readiness.launch.reviewing import review
from onyx_pipelines.readiness.launch.signoff_book import unsigned
from onyx_pipelines.readiness.launch.standing import keep_review, launch_of
from onyx_pipelines.reporting.markdown import table_markdown

READY_CHECK = "ready_to_launch"


@dg.asset(
    key=Asset.LAUNCH_CHECKLIST,
    deps=[Asset.STACK_HEALTH, Asset.DRILL_REPORT, Asset.BOTTLENECKS],
    group_name=Group.READINESS,
    kinds={"html"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.7.1"},
    description="May the stack go live? Ten sections of items, most of which are looked at; for the"
    " rest people show something, which counts for a time. A page in the reports (AC9.7.1)."
    " `onyx launch check` says the same where Dagster does not run.",
    freshness_policy=freshness(27),
    check_specs=[
        dg.AssetCheckSpec(
            READY_CHECK,
            asset=Asset.LAUNCH_CHECKLIST,
            description="Every item that blocks has passed; what could not be verified has not."
            " Engineering, operations and product have signed what there is now (AC9.7.3).",
        )
    ],
)
def launch_checklist(onyx: OnyxSettings) -> Materialized:
    settings = onyx.load()
    with dagster_failures():
        asked = checklist(settings.alert_thresholds)
        found = review(settings, asked)
        keep_review(settings, found)
        launch = launch_of(settings)
        missing = unsigned(launch.standings)
        published = write_review(found, asked, settings.reports_dir)
    whole, blockers = found.whole(asked), found.blockers(asked)
    return dg.MaterializeResult(
        metadata={
            "passed": whole.passed,
            "failed": whole.failed,
            "could_not_verify": whole.could_not_verify,
            "blocking": len(blockers),
            "passed_percent": round(100 * whole.passed / whole.all, 1),
            "commit": found.commit,
            "sign_offs": len(launch.counted),
            "progress": dg.MetadataValue.md(table_markdown(progress_table(found, asked))),
            "blockers": dg.MetadataValue.md(table_markdown(items_table(blockers))),
            "report": dg.MetadataValue.path(str(published.html.absolute())),
        },
        check_results=[
            # Not to be ready yet is nobody's emergency.
            check_result(
                READY_CHECK,
                worst(each.verdict for each in launch.decisions(settings)),
                " ".join([found.gist(asked), *missing]),
                grave=False,
            )
        ],
    )
