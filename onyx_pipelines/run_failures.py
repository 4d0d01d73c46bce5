"""Our errors as Dagster failures: only the transient kinds are ever retried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from onyx_pipelines.errors import OnyxError


def retry_policy(*, delay_s: float = 30) -> dg.RetryPolicy:
    """Three more attempts, each after twice the wait, with jitter."""
    return dg.RetryPolicy(
        max_retries=3,
        delay=delay_s,
        backoff=dg.Backoff.EXPONENTIAL,
        jitter=dg.Jitter.PLUS_MINUS,
    )


@contextmanager
def dagster_failures() -> Iterator[None]:
    """Raise OnyxError as dg.Failure, with a retry only if it is transient.

    Anything else is a defect of ours, which a retry cannot mend.
    """
    try:
        yield
    except OnyxError as error:
        raise dg.Failure(
            description=error.what,
            metadata={"remedy": error.remedy, "transient": error.transient},
            allow_retries=error.transient,
        ) from None
    except (dg.DagsterExecutionInterruptedError, dg.Failure):
        raise
    except Exception as error:
        raise dg.Failure(
            description=f"Unexpected {type(error).__name__}: {error}", allow_retries=False
        ) from error
