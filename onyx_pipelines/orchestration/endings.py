"""How a run ended and why, read from what Dagster keeps of it: for people, and for the audit trail.

Whatever an event lacks (many come from outside of the run, without data), something is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from onyx_pipelines.audit import Phase, Trail
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import HostSettings
from onyx_pipelines.notify.check_news import CheckOutcome

CANCEL_ACTION: Final = "api cancel"

_KINDS: Final = {
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ENGINE_EVENT,
    dg.DagsterEventType.RUN_CANCELING,
    dg.DagsterEventType.RUN_CANCELED,
    dg.DagsterEventType.RUN_FAILURE,
}
# What Dagster writes where it knows nothing better: the event before says more.
_SAYS_NOTHING: Final = "This run has been marked as"
_TOO_LONG: Final = "Canceling due to exceeding maximum runtime of "
_FROM_QUEUE: Final = "Canceling run from the queue."
_ITS_PROCESS_STAYED: Final = "Run timed out"
_INTERRUPTS: Final = {"DagsterExecutionInterruptedError", "KeyboardInterrupt"}
_NOTHING_SAID: Final = "The run ended without a message."


@dataclass(frozen=True)
class Ending:
    """`status`: as for people. A run that was ended for taking too long has failed, also where
    Dagster calls it canceled."""

    status: dg.DagsterRunStatus
    why: str


def ending_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Ending:
    """Of a run that has ended."""
    events = _events(instance, run.run_id)
    too_long = _too_long(events)
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return Ending(run.status, "")
    if too_long:
        return Ending(dg.DagsterRunStatus.FAILURE, too_long)
    if run.status is dg.DagsterRunStatus.CANCELED:
        return Ending(run.status, _how_cancelled(events))
    return Ending(dg.DagsterRunStatus.FAILURE, _why_failed(events))


def checks_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[CheckOutcome]:
    """What came of each asset check of the run."""
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    records = instance.get_records_for_run(run.run_id, of_type=kind, ascending=True).records
    # Of a step that was tried again the last word counts.
    last = {
        (said.asset_key, said.check_name): said
        for each in records
        if (event := each.event_log_entry.dagster_event)
        and (said := event.asset_check_evaluation_data)
    }
    return [
        CheckOutcome(
            f"{said.asset_key.to_user_string()}: {said.check_name}",
            passed=said.passed,
            is_error=said.severity is dg.AssetCheckSeverity.ERROR,
            says=said.description or "",
        )
        for said in last.values()
    ]


def who_cancelled(settings: HostSettings, run_id: str) -> str:
    """Who asked the API for it; "" where that is not known: Dagster itself does not say."""
    try:
        asked = [
            each.origin
            for each in Trail.of(settings).records()
            if each.action == CANCEL_ACTION
            and each.phase is Phase.BEGIN
            and each.parameters.get("run") == run_id
        ]
    except (OnyxError, OSError):
        return ""
    if not asked:
        return ""
    address = f" from {asked[-1].address}" if asked[-1].address else ""
    return f"{asked[-1].actor} (API{address})"


def _events(instance: dg.DagsterInstance, run_id: str) -> list[dg.DagsterEvent]:
    records = instance.get_records_for_run(run_id, of_type=_KINDS, ascending=True).records
    return [event for each in records if (event := each.event_log_entry.dagster_event)]


def _too_long(events: Sequence[dg.DagsterEvent]) -> str:
    for event in _of(events, dg.DagsterEventType.RUN_CANCELING):
        message = event.message or ""
        if message.startswith(_TOO_LONG):
            limit = message.removeprefix(_TOO_LONG).rstrip(".")
            return f"It was ended because it took longer than {limit} (dagster/max_runtime)."
    return ""


def _how_cancelled(events: Sequence[dg.DagsterEvent]) -> str:
    asked = [event.message or "" for event in _of(events, dg.DagsterEventType.RUN_CANCELING)]
    ended = [event.message or "" for event in _of(events, dg.DagsterEventType.RUN_CANCELED)]
    if _FROM_QUEUE in asked:
        return "It was cancelled while it waited in the queue."
    if any(message.startswith(_ITS_PROCESS_STAYED) for message in ended):
        return (
            "It was cancelled, but its process did not answer. See on its host whether it still"
            " runs."
        )
    return "It was cancelled while it ran."


def _why_failed(events: Sequence[dg.DagsterEvent]) -> str:
    """The step that failed first; else what the run's own failure says; else what came before."""
    for event in _of(events, dg.DagsterEventType.STEP_FAILURE):
        said = _of_step(event)
        if said:
            return f"{event.step_key}: {said}"
    for event in _of(events, dg.DagsterEventType.RUN_FAILURE):
        said = _of_data(event) or (event.message or "")
        if said and not said.startswith(_SAYS_NOTHING):
            return said
    # Killed, or never launched: Dagster reports the reason, and then a failure without one.
    kinds = [event.event_type for event in events]
    failed = dg.DagsterEventType.RUN_FAILURE
    before = events[: kinds.index(failed)] if failed in kinds else events
    for event in reversed(_of(before, dg.DagsterEventType.ENGINE_EVENT)):
        message, error = event.message or "", _first_line(event)
        if message or error:
            return f"{message.rstrip('.:')}: {error}" if message and error else message or error
    return _NOTHING_SAID


def _of(events: Sequence[dg.DagsterEvent], kind: dg.DagsterEventType) -> Sequence[dg.DagsterEvent]:
    return [event for event in events if event.event_type is kind]


def _of_step(event: dg.DagsterEvent) -> str:
    said = getattr(event.event_specific_data, "user_failure_data", None)
    return (said.description or "") if said else _of_data(event)


def _first_line(event: dg.DagsterEvent) -> str:
    """Of the outermost error: those of Dagster itself say what failed, their causes are gRPC's."""
    error = getattr(event.event_specific_data, "error", None)
    return str(error.message.strip().partition("\n")[0]) if error is not None else ""


def _of_data(event: dg.DagsterEvent) -> str:
    """The innermost error of an event; "" where it has none, or only that it was interrupted."""
    error = getattr(event.event_specific_data, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None or error.cls_name in _INTERRUPTS:
        return ""
    return str(error.message.strip().removeprefix("dagster._core.definitions.events.Failure: "))
