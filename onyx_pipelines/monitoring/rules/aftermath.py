"""What was told a moment ago: it keeps back what only the windows of other alerts still see.

A database that is back leaves errors in every window of minutes; nobody needs to hear of them.
"""

from __future__ import annotations

from typing import Final

from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Alert, Board, Group, Severity

_AWAY: Final = "(Postgresql|Qdrant|Litellm|Redis)(Down|Unhealthy)|ModelOutage"
# What the application needs, and cannot do without.
OUTAGES: Final = f"{_AWAY}|ModelFailing"
_ERRORS: Final = "ErrorRateHigh|ErrorBudgetFastBurn"
# The windows of what is kept back, and a few scrapes.
_SHORT, _LONG = "6m", "35m"


def aftermath() -> list[Group]:
    """Nobody is told of them; Alertmanager's inhibitions read them."""
    return [
        Group(
            "onyx-aftermath",
            [
                # A model that fails is told of for as long itself.
                _alert("OutageWithin5m", _AWAY, _SHORT, "(stack)"),
                _alert("OutageWithin30m", OUTAGES, _LONG, "(stack)"),
                _alert("ErrorsWithin30m", _ERRORS, _LONG, "(service, stack)"),
            ],
        )
    ]


def _alert(name: str, told: str, window: str, by: str) -> Alert:
    fired = f'ALERTS{{alertstate="firing",alertname=~"{told}"}}'
    return Alert(
        name,
        f"count by {by} (count_over_time({fired}[{window}])) > 0",
        "0m",
        Severity.NONE,
        Playbook.HIGH_RESOURCE_USAGE,
        Board.APPLICATION,
        "What was told lately still shows in other figures",
        "Keeps back alerts whose windows reach back to it.",
    )
