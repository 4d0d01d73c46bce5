"""Our errors as Dagster failures: only the transient kinds are ever retried, and an interrupt (a
person, or the host, ends the run) never is.

Not by Dagster's RetryPolicy: to it an interrupt is a failure like any other, so that a run that
was terminated begins its step again and succeeds; and no interrupt ends its wait.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.lost_interrupts import heard_interrupts, interrupt_behind
from onyx_pipelines.core.retries import MAX_RETRIES, wait_s

_ENDING = {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}


@contextmanager
def dagster_failures() -> Iterator[None]:
    """Raise OnyxError as dg.Failure, with a retry only if it is transient.

    Anything else is a defect of ours, which a retry cannot mend; unless the run is being ended:
    code that was interrupted may say so in words of its own.
    """
    try:
        with heard_interrupts(dg.DagsterExecutionInterruptedError):
            # It may have been lost before, in Dagster's own part of the step.
            _raise_if_ending()
            yield
    except OnyxError as error:
        _raise_if_ending()
        raise dg.Failure(
            description=error.what,
            metadata={"remedy": error.remedy, "transient": error.transient},
            allow_retries=error.transient,
        ) from None
    except dg.Failure:
        _raise_if_ending()
        raise
    except Exception as error:
        _raise_if_ending()
        if (interrupt := interrupt_behind(error)) is not None:
            raise interrupt from None
        raise dg.Failure(
            description=f"Unexpected {type(error).__name__}: {error}", allow_retries=False
        ) from error


@contextmanager
def retried_failures(retry_number: int, *, delay_s: float) -> Iterator[None]:
    """As `dagster_failures`; what is transient is tried three more times, each after twice the
    wait.

    Args:
        retry_number: of the step's context.
        delay_s: before the first retry.
    """
    if retry_number:
        _raise_if_ending()
        time.sleep(wait_s(retry_number, delay_s))
    try:
        with dagster_failures():
            yield
    except dg.Failure as failure:
        if not failure.allow_retries:
            raise
        raise dg.RetryRequested(max_retries=MAX_RETRIES) from failure


def _raise_if_ending() -> None:
    """In a step only: a run that a person ends must not go on, whatever became of its interrupt.

    Raises:
        dg.DagsterExecutionInterruptedError: the run is being ended.
    """
    try:
        context = dg.OpExecutionContext.get()
    except dg.DagsterInvariantViolationError:
        return
    run = context.instance.get_run_by_id(context.run_id)
    if run is not None and run.status in _ENDING:
        raise dg.DagsterExecutionInterruptedError
