"""Does the watching itself work?"""

from __future__ import annotations

from onyx_pipelines.monitoring.deployment import Deployment
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Alert, Board, Group, Severity

# Their silence has alerts that say more: no backup is known of; nothing is told at all.
_SAID_ELSEWHERE = ("onyx-pipelines", "prometheus")


def watcher(deployment: Deployment) -> list[Group]:
    """Of the watching's own programs; the last alert fires always, to a dead man's switch."""
    return [
        Group(
            "onyx-watcher",
            [
                _alert(
                    "NotScraped",
                    f'max by (job) (up{{job=~"{"|".join(_around(deployment))}"}}) == 0',
                    "5m",
                    "{{ $labels.job }} is not scraped",
                    "Alerts that read its metrics cannot fire. See whether its container runs.",
                ),
                _alert(
                    "ScrapeTooLarge",
                    "increase(prometheus_target_scrapes_exceeded_sample_limit_total[10m]) > 0",
                    "5m",
                    "A service exposes too many series",
                    "Prometheus throws the whole scrape away: the service looks as if it were"
                    " down.",
                ),
                _alert(
                    "RulesFailing",
                    "increase(prometheus_rule_evaluation_failures_total[10m]) > 0",
                    "5m",
                    "Rules of Prometheus fail",
                    "{{ $labels.rule_group }}: what it should tell, it does not.",
                ),
                _alert(
                    "ConfigurationNotLoaded",
                    "prometheus_config_last_reload_successful == 0"
                    " or alertmanager_config_last_reload_successful == 0",
                    "5m",
                    "A new configuration was refused",
                    "{{ $labels.service }} goes on with the old one.",
                ),
                _alert(
                    "AlertsNotSent",
                    "increase(alertmanager_notifications_failed_total[10m]) > 0",
                    "5m",
                    "Alerts do not reach people by {{ $labels.integration }}",
                    "{{ $value | humanize }} failed within ten minutes.",
                ),
                _alert(
                    "ErrorRelaySilent",
                    "time() - onyx_error_relay_last_pass_timestamp_seconds > 120",
                    "2m",
                    "Nobody is told of errors",
                    "The relay has not looked for {{ $value | humanizeDuration }}. See whether"
                    " `onyx errors relay` runs, and its log.",
                    service="onyx-pipelines",
                ),
                _alert(
                    "ErrorMessagesNotSent",
                    "onyx_error_relay_undelivered > 0",
                    "5m",
                    "Messages of errors do not reach people",
                    "{{ $value | humanize }} wait for Slack or mail; the relay's log says why.",
                    service="onyx-pipelines",
                ),
                Alert(
                    "Watchdog",
                    "vector(1)",
                    "0m",
                    Severity.NONE,
                    Playbook.HIGH_RESOURCE_USAGE,
                    Board.OVERVIEW,
                    "The watching works",
                    "Goes to a switch outside of this machine, which calls when it stops coming.",
                    service="prometheus",
                ),
            ],
        )
    ]


def _around(deployment: Deployment) -> list[str]:
    """Jobs whose silence is not that of a service."""
    core = {each.job for each in deployment.core}
    jobs = [each.job for each in deployment.scraped if each.job not in core]
    if deployment.probed:
        jobs.append("blackbox")
    return [job for job in jobs if job not in _SAID_ELSEWHERE]


def _alert(
    name: str, expr: str, hold: str, summary: str, description: str, service: str = ""
) -> Alert:
    return Alert(
        name,
        expr,
        hold,
        Severity.WARNING,
        Playbook.HIGH_RESOURCE_USAGE,
        Board.INFRASTRUCTURE,
        summary,
        description,
        service,
    )
