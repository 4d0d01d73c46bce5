"""Around a manual operation: a record that it begins, and one of how it ended.

An operation that overwrites is refused where the first record cannot be written; any other goes on,
with an error in the log.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from onyx_pipelines.audit.copying import COPY_PATIENCE_S, copy_in_time
from onyx_pipelines.audit.origin import Origin
from onyx_pipelines.audit.records import AuditEvent, AuditRecord, Outcome, Phase, Result
from onyx_pipelines.audit.redaction import Redaction
from onyx_pipelines.audit.trail import AuditError, Trail
from onyx_pipelines.core.errors import AlreadyRunningError, OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.settings import Settings

_log = logger("audit")
# Whoever presses Ctrl-C waits for it; the next copy carries what is missing.
_PATIENCE_OF_THE_INTERRUPTED_S = 3.0
_ENDED_BY_SIGNAL = 128


class Entry:
    """An operation under way. What is told to it stands in the record of its end."""

    def __init__(self, backup_id: str | None) -> None:
        self.backup_id = backup_id
        self.ended = Result(outcome=Outcome.OK)

    def about(self, backup_id: str) -> None:
        """The set that it is about, once that is known ("latest" is no id)."""
        self.backup_id = backup_id

    def result(self, *, verdict: str, detail: str = "", outcome: Outcome = Outcome.OK) -> None:
        """How it ended. An exception that leaves the block says so by itself.

        Args:
            verdict: the operation's own word: "passed", "damaged".
            detail: one line of why.
            outcome: what it comes to: FAILED for a drill that did not pass.
        """
        self.ended = Result(outcome=outcome, verdict=verdict, detail=detail)

    def refused(self, why: str) -> None:
        """Note that the operation was not begun, and why."""
        self.result(verdict="refused", detail=why, outcome=Outcome.REFUSED)


@contextmanager
def audited(
    settings: Settings,
    *,
    action: str,
    origin: Origin,
    parameters: Mapping[str, object] | None = None,
    backup_id: str | None = None,
    required: bool = False,
    copy: bool = True,
    operation: str = "",
) -> Iterator[Entry]:
    """Record an operation, whatever becomes of it.

    Args:
        action: what is done, e.g. "restore", "keys.create".
        parameters: anything; secrets are taken out by type, value, name and shape.
        required: refuse the operation if it cannot be recorded: for those that overwrite.
        copy: copy the trail to the stores afterwards, for at most 15 s (3 s after an
            interruption). A server that answers requests does that elsewhere (`copy_in_time`).
        operation: joins the two records; empty: a new UUID. For a run, its id.

    Raises:
        AuditError: `required`, and the first record cannot be written; nothing was begun.
    """
    if settings.stack:
        parameters = {"stack": settings.stack, **(parameters or {})}
    write = partial(
        record, settings, operation=operation or str(uuid.uuid4()), action=action, origin=origin
    )
    entry = Entry(backup_id)
    unwritten = parameters
    try:
        write(phase=Phase.BEGIN, parameters=parameters, backup_id=backup_id)
        unwritten = None
    except AuditError as error:
        if required:
            raise AuditError(
                f"{action} was refused, because it cannot be recorded: {error.what}",
                remedy=error.remedy,
            ) from error
        _log.error("%s is not recorded: %s", action, error)
    patience_s = COPY_PATIENCE_S
    try:
        yield entry
    except BaseException as error:
        entry.ended = _result_of(error)
        if not isinstance(error, Exception):
            patience_s = _PATIENCE_OF_THE_INTERRUPTED_S
        raise
    finally:
        try:
            end = partial(write, phase=Phase.END, parameters=unwritten)
            end(backup_id=entry.backup_id, result=entry.ended)
        except AuditError as error:
            _log.error("The end of %s is not recorded: %s", action, error)
        if copy:
            copy_in_time(settings, patience_s=patience_s)


def record(
    settings: Settings,
    *,
    operation: str,
    phase: Phase,
    action: str,
    origin: Origin,
    parameters: Mapping[str, object] | None = None,
    backup_id: str | None = None,
    result: Result | None = None,
) -> AuditRecord:
    """Append one record, for operations that begin and end in different processes.

    Raises:
        AuditError: it is not written.
    """
    redaction = Redaction.of(settings)
    event = AuditEvent(
        operation=operation,
        phase=phase,
        action=action,
        origin=redaction.model(origin),
        parameters=redaction.parameters(parameters or {}),
        backup_id=redaction.text(backup_id) if backup_id else None,
        result=result and redaction.model(result),
    )
    return Trail.of(settings).append(event)


def _result_of(error: BaseException) -> Result:
    """What an exception says about how an operation ended."""
    if isinstance(error, AlreadyRunningError):
        return Result(outcome=Outcome.REFUSED, verdict="already_running", detail=error.what)
    if isinstance(error, OnyxError):
        return Result(outcome=Outcome.FAILED, verdict="failed", detail=error.what)
    # Of exits those with the status of a process that a signal ended.
    if isinstance(error, SystemExit):
        interrupted = isinstance(error.code, int) and error.code > _ENDED_BY_SIGNAL
    else:
        interrupted = not isinstance(error, Exception)
    if interrupted:
        return Result(outcome=Outcome.FAILED, verdict="interrupted", detail="interrupted by hand")
    # The text of any other exception may hold whatever was being worked on.
    return Result(outcome=Outcome.FAILED, verdict="failed", detail=f"a {type(error).__name__}")
