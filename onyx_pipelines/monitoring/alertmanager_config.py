"""Alertmanager's own configuration: who is told of what, and what says the same twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from onyx_pipelines.core.settings import IncidentsApi, Receivers, Thresholds, Window
from onyx_pipelines.monitoring.deployment import PRODUCTION, Pace
from onyx_pipelines.monitoring.rules.aftermath import OUTAGES
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.monitoring.rules.rule import Severity


@dataclass(frozen=True)
class Inhibition:
    """While `source` fires, nobody is told of `target`: it says nothing that is new.

    Args:
        source, target: patterns of alerts' names.
        equal: labels that both must have the same of, besides `stack`: one stack says nothing of
            another.
    """

    source: str
    target: str
    equal: Sequence[str] = ()

    def rendered(self) -> dict[str, Any]:
        """For Alertmanager's YAML."""
        return {
            "source_matchers": [f'alertname=~"{self.source}"'],
            "target_matchers": [f'alertname=~"{self.target}"'],
            "equal": [*self.equal, "stack"],
        }


# Of one message to our API, with all of their texts within its 64 kB.
MOST_ALERTS: Final = 30
# By the longest of the windows that they look back.
_OF_MINUTES: Final = "ErrorRateHigh|ErrorBudgetFastBurn|LatencyAboveBaseline|ChatSlow"
_OF_HALF_AN_HOUR: Final = "ErrorBudgetSlowBurn|ErrorsAtLowTraffic"
_CRITICAL: Final = "|".join(
    alert.name
    for group in groups(Thresholds())
    for alert in group.alerts
    if alert.severity is Severity.CRITICAL
)
INHIBITIONS: Final = (
    # It is down: whatever else it does not do is no news.
    Inhibition(".+Down", "(.+Un(healthy|reachable))|Latency.+|Error.+|ChatSlow", ["service"]),
    # What it needs is down.
    Inhibition(OUTAGES, f"{_OF_MINUTES}|{_OF_HALF_AN_HOUR}"),
    # Or was, a moment ago.
    Inhibition("OutageWithin5m", _OF_MINUTES),
    Inhibition("OutageWithin30m", _OF_HALF_AN_HOUR),
    Inhibition("(Postgresql|Qdrant|Litellm|Redis)Down", "(Suna|Edge)Unreachable"),
    Inhibition("SunaDown", "EdgeUnreachable"),
    Inhibition("LitellmDown", "Model.+"),
    Inhibition("ModelOutage", "ModelFailing"),
    Inhibition("ErrorRateHigh", f"ErrorBudgetFastBurn|{_OF_HALF_AN_HOUR}", ["service"]),
    Inhibition("ErrorBudgetFastBurn|ErrorsWithin30m", _OF_HALF_AN_HOUR, ["service"]),
    # The host counts it as well, and does not know whose it was.
    Inhibition("ContainerOutOfMemory", "OutOfMemoryKill"),
    Inhibition("HostMemoryHigh|HostCpuHigh", "Container(Memory|Cpu)High|LatencyAboveBaseline"),
    Inhibition(
        "BackupsUnknown",
        "Backup(Stale|Unverified)|DrillStale|OffsiteCopyBehind|StackNotKnown",
    ),
    # Of a set's drills the newest is remembered: that the one before passed is not.
    Inhibition("DrillFailed", "DrillStale"),
    Inhibition("BackupStale", "OffsiteCopyBehind|BackupUnverified|DrillStale|Schedule.+"),
    # The worst of all says nothing that the worst itself has not said.
    Inhibition(_CRITICAL, "StackFailing"),
)


def alertmanager_config(
    receivers: Receivers,
    inhibitions: Sequence[Inhibition] = INHIBITIONS,
    *,
    pace: Pace = PRODUCTION,
) -> dict[str, Any]:
    """For its YAML."""
    quiet = [each.name for each in receivers.quiet]
    warnings = {"matchers": ['severity="warning"'], "receiver": "warnings"}
    routes: list[dict[str, Any]] = [
        {
            "matchers": ['alertname="Watchdog"'],
            "receiver": "watchdog",
            "group_wait": "0s",
            "group_interval": "1m",
            "repeat_interval": "1m",
        },
        {"matchers": ['severity="none"'], "receiver": "nobody"},
        {"matchers": ['severity="critical"'], "receiver": "critical"},
        {**warnings, "mute_time_intervals": quiet} if quiet else warnings,
    ]
    return {
        "global": _global(receivers),
        "route": {
            "receiver": "critical",
            "group_by": ["alertname", "service", "stack"],
            "group_wait": pace.group_wait,
            "group_interval": pace.group_interval,
            "repeat_interval": "4h",
            "routes": routes,
        },
        "inhibit_rules": [each.rendered() for each in inhibitions],
        "receivers": _receivers(receivers),
        **({"time_intervals": [_interval(each) for each in receivers.quiet]} if quiet else {}),
    }


def _global(receivers: Receivers) -> dict[str, Any]:
    if not receivers.mail_to:
        return {"resolve_timeout": "5m"}
    found: dict[str, Any] = {
        "resolve_timeout": "5m",
        "smtp_smarthost": receivers.mail_host,
        "smtp_from": receivers.mail_from,
    }
    if not receivers.mail_tls:
        found["smtp_require_tls"] = False
    if receivers.mail_user:
        found |= {
            "smtp_auth_username": receivers.mail_user,
            "smtp_auth_password_file": receivers.mail_password_file,
        }
    return found


def _receivers(receivers: Receivers) -> list[dict[str, Any]]:
    slack = {"slack_configs": [_slack(receivers)]} if receivers.slack_channel else {}
    mail = (
        {"email_configs": [{"to": receivers.mail_to, "send_resolved": True}]}
        if receivers.mail_to
        else {}
    )
    hooks = [{"url": receivers.webhook_url, "send_resolved": True}] if receivers.webhook_url else []
    hooks += [_incidents(each) for each in receivers.incidents]
    own = {"webhook_configs": hooks} if hooks else {}
    dead_man = (
        {"webhook_configs": [{"url": receivers.watchdog_url, "send_resolved": False}]}
        if receivers.watchdog_url
        else {}
    )
    return [
        {"name": "critical", **slack, **mail, **own},
        {"name": "warnings", **slack, **own},
        {"name": "watchdog", **dead_man},
        {"name": "nobody"},
    ]


def _incidents(api: IncidentsApi) -> dict[str, Any]:
    """Our API takes no message that is larger."""
    return {
        "url": api.url,
        "send_resolved": True,
        "max_alerts": MOST_ALERTS,
        "http_config": {
            "authorization": {"type": "Bearer", "credentials_file": api.token_file},
            "follow_redirects": False,
        },
    }


def _slack(receivers: Receivers) -> dict[str, Any]:
    """Each alert has its own lines: common annotations are empty as soon as two differ."""
    line = (
        "{{ range .Alerts }}*{{ .Annotations.summary }}*\n{{ .Annotations.description }}\n"
        "<{{ .Annotations.runbook_url }}|What to do> · "
        "<{{ .Annotations.dashboard_url }}|Dashboard>\n{{ end }}"
    )
    return {
        "api_url_file": receivers.slack_url_file,
        "channel": receivers.slack_channel,
        "send_resolved": True,
        "title": "[{{ .Status | toUpper }}] {{ .GroupLabels.alertname }}"
        " {{ .GroupLabels.service }} {{ .GroupLabels.stack }}",
        "text": line,
    }


def _interval(window: Window) -> dict[str, Any]:
    return {
        "name": window.name,
        "time_intervals": [
            {
                "weekdays": [window.weekday],
                "times": [{"start_time": window.begins, "end_time": window.ends}],
            }
        ],
    }
