"""Two nouns: the launch checklist, looked at, and the playbooks, as they were last rehearsed."""

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from pydantic import Field

from onyx_pipelines.backup.assets import freshness
from onyx_pipelines.core.names import OWNERS, Asset, Group, Tag
from onyx_pipelines.core.settings import RehearsalSettings
from onyx_pipelines.core.verdict import worst
from onyx_pipelines.host.processes import ProgramError, output_of
from onyx_pipelines.orchestration.check_results import check_result
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.materialized import Materialized
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.readiness.launch.checklist import checklist
from onyx_pipelines.readiness.launch.report import items_table, progress_table, write_review
from onyx_pipelines.readiness.launch.signoff_book import unsigned
from onyx_pipelines.readiness.launch.standing import keep_review, launch_of
from onyx_pipelines.readiness.rehearsals.book import RehearsalBook, newest_of_each
from onyx_pipelines.readiness.rehearsals.promises import rehearsed_answer
from onyx_pipelines.readiness.rehearsals.record import Rehearsal
from onyx_pipelines.readiness.rehearsals.report import newest_table
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
    # It asks everything; other processes must not wait for its import.
    from onyx_pipelines.readiness.launch.reviewing import review

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


_CHECK: Final = "rehearsed_within_90_days"
# A rehearsal that fails takes as long as all that it waits for.
_STALL_S: Final = 900.0
# What it found is told by its records: a playbook that failed is no failed run.
_FOUND: Final = (1, 2)


class RehearsalConfig(dg.Config):
    """Launchpad options of the playbooks."""

    rehearse: bool = Field(
        default=False,
        description="Rehearse all of them first: `onyx rehearse --all`, in a sandbox of its own on"
        " this machine, for about a quarter of an hour.",
    )


@dg.asset(
    key=Asset.INCIDENT_PLAYBOOKS,
    deps=[Asset.MONITORING_CONFIGURATION],
    group_name=Group.READINESS,
    kinds={"html"},
    owners=OWNERS,
    tags={Tag.ACCEPTANCE: "AC9.5.1"},
    description="The six playbooks of docs/INCIDENTS.md, and how each did when it was last"
    " rehearsed in a sandbox that was broken for real: seconds to detect, diagnose and repair, by"
    " its commands as they are written. `onyx rehearse` does it where Dagster does not run.",
    check_specs=[
        dg.AssetCheckSpec(
            _CHECK,
            asset=Asset.INCIDENT_PLAYBOOKS,
            description="Each playbook's last rehearsal passed, within"
            " ONYX_REHEARSAL_MAX_AGE_DAYS; one that was never rehearsed is not known to work.",
        )
    ],
)
def incident_playbooks(
    context: dg.AssetExecutionContext, config: RehearsalConfig, onyx: OnyxSettings
) -> Materialized:
    settings, now = onyx.load(), datetime.now(UTC)
    with dagster_failures():
        if config.rehearse:
            _rehearse(settings, context.log.info)
        newest = newest_of_each(RehearsalBook(settings.state_dir).all())
    max_age = timedelta(days=settings.rehearsal_max_age_days)
    return dg.MaterializeResult(
        metadata={
            "rehearsed": len(newest),
            **_times(newest),
            "playbooks": dg.MetadataValue.md(table_markdown(newest_table(list(newest.values())))),
        },
        check_results=[check_result(_CHECK, *rehearsed_answer(newest, now, max_age), grave=False)],
    )


def _times(newest: Mapping[str, Rehearsal]) -> dict[str, float]:
    """Of those that came so far, under names that do not change."""
    return {
        f"{part}/{name}": round(time, 2)
        for name, each in newest.items()
        for part, time in (
            ("detect_s", each.detect_s),
            ("diagnose_s", each.diagnose_s),
            ("repair_s", each.repair_s),
        )
        if time is not None
    }


def _rehearse(settings: RehearsalSettings, log: Callable[[str], None]) -> None:
    """In a process of its own: it knows the sandbox, which nothing here does."""
    stack = ["--stack", settings.stack] if settings.stack else []
    command = [sys.executable, "-c", "from onyx_pipelines.cli import main; main()", *stack]
    try:
        with output_of(
            [*command, "rehearse", "--all"], environment=os.environ, stall_timeout_s=_STALL_S
        ) as output:
            while data := output.read():
                log(data.decode(errors="replace").rstrip())
    except ProgramError as error:
        if error.exit_status not in _FOUND:
            raise
