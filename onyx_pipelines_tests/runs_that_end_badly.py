"""A code location whose jobs wait, fail, or never start."""

import time

import dagster as dg

from onyx_pipelines.core.names import Tag
from onyx_pipelines.orchestration.launcher import WorkerIdentity


@dg.op
def wait(context: dg.OpExecutionContext) -> None:
    context.instance.add_run_tags(
        context.run_id, {Tag.WORKER: WorkerIdentity.of_this_process().as_tag()}
    )
    time.sleep(600)


@dg.op
def fail() -> None:
    raise dg.Failure(description="no space left", allow_retries=False)


@dg.op
def break_down() -> None:
    raise ValueError("what nobody expected")


@dg.resource
def refused(_: dg.InitResourceContext) -> None:
    raise dg.Failure(description="already_running: a load test", allow_retries=False)


@dg.op(required_resource_keys={"refused"})
def need() -> None:
    """Never runs: its resource is refused."""


@dg.op
def pass_by() -> None:
    """All that a run needs in order to succeed."""


@dg.job(executor_def=dg.in_process_executor)
def waits() -> None:
    wait()


@dg.job(executor_def=dg.in_process_executor)
def fails() -> None:
    fail()


@dg.job(executor_def=dg.in_process_executor)
def breaks() -> None:
    break_down()


@dg.job(executor_def=dg.in_process_executor, resource_defs={"refused": refused})
def is_refused() -> None:
    need()


@dg.job(executor_def=dg.in_process_executor)
def succeeds() -> None:
    pass_by()


defs = dg.Definitions(jobs=[waits, fails, breaks, is_refused, succeeds])
