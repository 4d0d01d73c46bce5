"""Does what should come by itself come, and does anybody know how the whole stack is?"""

from __future__ import annotations

from typing import Final

from onyx_pipelines.monitoring.metrics import (
    COMPONENT_HEALTH,
    SCHEDULE_EVERY,
    SCHEDULE_FAILED,
    SCHEDULE_LAST,
    STACK_HEALTH,
)
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Alert, Board, Group, Severity

# A run that takes its time, or waits for another, is not late yet.
_PATIENCE: Final = "1.25"
_GRACE_S: Final = 3600


def stack() -> list[Group]:
    """From this product's exporter, as backups are; names that begin with Stack are left out of the
    stack's health, which they follow from."""
    return [
        Group(
            "onyx-stack",
            [
                _alert(
                    "ScheduleStale",
                    f"time() - ({SCHEDULE_LAST.name} != 0)"
                    f" > {_PATIENCE} * {SCHEDULE_EVERY.name} + {_GRACE_S}",
                    "15m",
                    "{{ $labels.schedule }} does not come any more",
                    "It last ended {{ $value | humanizeDuration }} ago. See whether Dagster's"
                    " daemon runs and whether the schedule is on.",
                ),
                _alert(
                    "ScheduledRunFailed",
                    f"{SCHEDULE_FAILED.name} == 1",
                    "5m",
                    "The last run of {{ $labels.schedule }} failed",
                    "Its message and its page in Dagster say why; `onyx health` says what to do.",
                ),
                _alert(
                    "StackFailing",
                    f"{STACK_HEALTH.name} == 3",
                    "1h",
                    "The stack has been failing for an hour",
                    "`onyx health` names the worst and the next command.",
                ),
                _alert(
                    "StackNotKnown",
                    f'{COMPONENT_HEALTH.name}{{component!="load_tests"}} == 2',
                    "1h",
                    "Nobody knows how {{ $labels.component }} are",
                    "Something could not be asked for an hour: `onyx health`.",
                ),
            ],
        )
    ]


def _alert(name: str, expr: str, hold: str, summary: str, description: str) -> Alert:
    return Alert(
        name,
        expr,
        hold,
        Severity.WARNING,
        Playbook.SYNC_FAILURE,
        Board.OVERVIEW,
        summary,
        description,
        service="onyx-pipelines",
    )
