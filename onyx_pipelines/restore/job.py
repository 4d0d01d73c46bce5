"""`restore_from_backup`: the real restore as a job of the Dagster UI, as `onyx restore` does it."""

import dagster as dg
from pydantic import Field

from onyx_pipelines.audit import origin_of_run
from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.names import OWNERS, Group, Job, Op, Tag, run_tags
from onyx_pipelines.core.text import duration_text, second_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.orchestration.failures import dagster_failures
from onyx_pipelines.orchestration.launcher import WorkerIdentity
from onyx_pipelines.orchestration.progress_lines import log_progress
from onyx_pipelines.orchestration.resources import OnyxSettings
from onyx_pipelines.reporting.markdown import code, table, text
from onyx_pipelines.restore.audited_restore import audited_restore
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.report.formatting import speed_text
from onyx_pipelines.restore.whole_restore import (
    RestorePlan,
    RestoreResult,
    plan_restore,
)
from onyx_pipelines.sources.source import Component

RESTORED = dg.AssetKey(Job.RESTORE)


class RestoreConfig(dg.Config):
    """Launchpad options; what they mean stands in `onyx restore --help`."""

    backup_id: str = Field(
        default="latest", description='The set: its id, the beginning of one, or "latest".'
    )
    confirm: bool = Field(
        default=False, description="Do it. Otherwise the run shows its plan and fails."
    )
    store: str | None = Field(
        default=None,
        description="The store to restore from: `local`, `offsite`. null: the local one if there"
        " is one, else the off-site one.",
    )
    components: list[str] = Field(
        default=[],
        description="Only these: postgresql, qdrant, volumes. []: all of the set.",
    )
    databases: list[str] = Field(
        default=[],
        description="Only these databases. []: all of the set. Example: [onyx].",
    )
    tables: list[str] = Field(
        default=[],
        description="Only these tables of the one database that is named. []: all. Example:"
        " [public.document].",
    )
    collections: list[str] = Field(
        default=[], description="Only these Qdrant collections. []: all of the set."
    )
    volumes: list[str] = Field(default=[], description="Only these volumes. []: all of the set.")
    paths: list[str] = Field(
        default=[],
        description="Only these files or subtrees of the one volume that is named. []: all."
        " Example: [uploads/2026].",
    )
    into: str | None = Field(
        default=None,
        description="Another place than the original: the name or URL of a database or collection,"
        " or a directory for volumes (`onyx restore --help`). null: where it was.",
    )
    safety_backup: bool = Field(
        default=True, description="First back up what is replaced, and keep that set."
    )
    with_globals: bool = Field(default=True, description="PostgreSQL's roles and grants too.")
    keep_old: bool = Field(
        default=False, description="Keep replaced databases, renamed (Qdrant cannot rename)."
    )
    make_devices: bool = Field(default=False, description="Device nodes of volumes too.")

    def choice(self) -> RestoreChoice:
        """Raises SettingsError: there is no such component."""
        return RestoreChoice(
            components=tuple(_component(name) for name in self.components),
            databases=tuple(self.databases),
            tables=tuple(self.tables),
            collections=tuple(self.collections),
            volumes=tuple(self.volumes),
            paths=tuple(self.paths),
            into=self.into or "",
            with_globals=self.with_globals,
            keep_old=self.keep_old,
            make_devices=self.make_devices,
        )


def _component(name: str) -> Component:
    try:
        return Component(name)
    except ValueError:
        raise SettingsError(
            f"There is no component {name!r}.",
            remedy=f"Give some of {', '.join(Component)}, or none for all of the set.",
        ) from None


@dg.op(
    name=Op.RESTORE,
    out=dg.Out(dg.Nothing),
    tags={Tag.ACCEPTANCE: "AC9.4.3"},
    description="Restores beside what is there, compares, and puts in its place what is the same."
    " Without `confirm` nothing is changed: the failure shows the plan.",
)
def restore(context: dg.OpExecutionContext, config: RestoreConfig, onyx: OnyxSettings) -> None:
    context.instance.add_run_tags(
        context.run_id, {Tag.WORKER: WorkerIdentity.of_this_process().as_tag()}
    )
    settings = onyx.load()
    with dagster_failures():
        choice = config.choice()
        if not config.confirm:
            plan = plan_restore(
                settings, choice, backup_id=config.backup_id, store_name=config.store or None
            )
            raise dg.Failure(
                description="Nothing was changed: the restore was not confirmed. Look at the plan,"
                " and launch it again with `confirm: true`.",
                metadata={"plan": dg.MetadataValue.md(plan_markdown(plan))},
                allow_retries=False,
            )
        result = audited_restore(
            settings,
            choice,
            backup_id=config.backup_id,
            store_name=config.store or None,
            with_safety_backup=config.safety_backup,
            origin=origin_of_run(context.run.tags),
            operation=context.run_id,
            command="the job restore_from_backup with the same options",
            progress=log_progress(context.log.info),
            announce=lambda plan: context.log.info(plan_markdown(plan)),
        )
    context.log_event(
        dg.AssetMaterialization(
            asset_key=RESTORED,
            partition=context.partition_key if context.has_partition_key else None,
            description="A real restore, compared with what the set says that the data was.",
            metadata={
                "verdict": result.verdict.value,
                "components": dg.MetadataValue.md(result_markdown(result)),
                "backup_id": result.backup_id,
                "store": result.store,
                "safety_backup_id": result.safety_backup_id or "none",
                "recovery_point": dg.MetadataValue.timestamp(result.recovery_point),
                "duration_s": round(result.duration_s, 3),
            },
        )
    )
    if result.verdict is not Verdict.PASSED:
        raise dg.Failure(
            description=f"The restore {result.verdict.value.replace('_', ' ')}; what failed was not"
            " put in place.",
            metadata={"components": dg.MetadataValue.md(result_markdown(result))},
            allow_retries=False,
        )


def plan_markdown(plan: RestorePlan) -> str:
    """What would be done, where, and what it replaces."""
    rows = [
        (
            text(change.what),
            text(change.target),
            "**replaced**" if change.overwrites else "new",
            text(change.detail),
        )
        for changes in plan.changes.values()
        for change in changes
    ]
    parts = [
        f"Set {code(plan.backup_id)} from the {text(plan.store)} store, the data of"
        f" {second_text(plan.recovery_point)}.",
        table(("what", "where", "what is there", "more"), rows),
        f"Expected time: {text(plan.estimate.text())}.",
        *map(text, plan.notes),
    ]
    return "\n\n".join(parts)


def result_markdown(result: RestoreResult) -> str:
    """Each component's verdict, every finding that is not a pass, and what goes on."""
    rows = [
        (each.component.value, text(each.verdict.value), duration_text(each.recovery_s))
        for each in result.components
    ]
    lines = [
        f"- {text(finding.item)}: {text(finding.message)}"
        for each in result.components
        for finding in each.problems()
    ]
    lines += [
        f"- {each.component.value}: {text(speed)}"
        for each in result.components
        if (speed := speed_text(each))
    ]
    if result.unfinished:
        lines.append(
            f"- Within a day the same job goes on with {text(', '.join(result.unfinished))}."
        )
    if result.may_be_forced:
        option = code(f"--force-despite-differences {result.backup_id}")
        lines.append(
            "- Who has read the differences, and wants the data all the same, can have that on the"
            f" command line only: {code('onyx restore')} with the same options and {option}."
        )
    lines += [f"- {text(note)}" for note in result.notes]
    return "\n".join([table(("component", "verdict", "took"), rows), "", *lines])


@dg.job(
    name=Job.RESTORE,
    description="Puts data back from a backup set: AC9.4.3. Shows its plan unless `confirm` is"
    " true; takes a safety backup first; compares before anything is replaced.",
    tags=run_tags(max_runtime_h=12),
    metadata={"group": Group.RESTORE, "owner": OWNERS[0]},
)
def restore_from_backup() -> None:
    restore()
