"""Is it slow, and does it fail?"""

from __future__ import annotations

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.text import limit_text
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.recorded import errors
from onyx_pipelines.monitoring.rules.rule import Alert, Board, Group, Severity

# The multi-window burn rates of Google's SRE Workbook, chapter 5: the share of a month's budget
# that is gone within the long window is 2 % (1 h) and 5 % (6 h).
_FAST, _SLOW = 14.4, 6
# With fewer errors than these, a ratio says nothing.
_FEW = 5


def application(thresholds: Thresholds) -> list[Group]:
    """Latency and errors, each with a guard against few requests."""
    return [
        Group("onyx-latency", _latency(thresholds)),
        Group("onyx-errors", [_error_rate(thresholds), *_budget(thresholds), _quiet(thresholds)]),
    ]


def _latency(thresholds: Thresholds) -> list[Alert]:
    now = "service:request_latency_seconds:p95_5m"
    # Prometheus 3 writes 5 as 5.0. A quantile would end at the largest bucket.
    bound = f"{thresholds.latency_objective_s:g}"
    bound = bound.replace(".", "\\\\.") if "." in bound else f"{bound}(\\\\.0)?"
    quick = f'sum by (service) (rate(onyx_chat_duration_seconds_bucket{{le=~"{bound}"}}[5m]))'
    every = "sum by (service) (rate(onyx_chat_duration_seconds_count[5m]))"
    return [
        Alert(
            "LatencyAboveBaseline",
            f"{now} > {thresholds.latency_factor:g} * service:latency_baseline_seconds:p95"
            f" and {now} > {thresholds.latency_floor_s:g} and service:requests:rate5m > 0.05",
            "5m",
            Severity.WARNING,
            Playbook.HIGH_RESOURCE_USAGE,
            Board.APPLICATION,
            "{{ $labels.service }} is slower than it usually is",
            "p95 is {{ $value | humanizeDuration }}, more than"
            f" {thresholds.latency_factor:g} times the baseline: the promoted load test's, or else"
            " the median of seven days.",
        ),
        Alert(
            "ChatSlow",
            f"1 - ({quick}) / ({every} > 0) > 0.05 and {every} > 0.01",
            "10m",
            Severity.WARNING,
            Playbook.LLM_DOWN,
            Board.APPLICATION,
            "Chat answers take longer than their objective",
            "{{ $value | humanizePercentage }} of the answers took more than"
            f" {limit_text(thresholds.latency_objective_s)}; the objective is one in twenty (p95).",
        ),
    ]


def _error_rate(thresholds: Thresholds) -> Alert:
    return Alert(
        "ErrorRateHigh",
        f"service:request_errors:ratio_rate5m > {thresholds.error_share:g}"
        f" and sum by (service) (increase({errors(thresholds)}[10m])) > {_FEW}",
        "3m",
        Severity.CRITICAL,
        Playbook.HIGH_RESOURCE_USAGE,
        Board.APPLICATION,
        "{{ $labels.service }} fails",
        "{{ $value | humanizePercentage }} of its requests failed in the last five minutes"
        f" ({', '.join(map(str, thresholds.excluded_statuses))} do not count).",
    )


def _budget(thresholds: Thresholds) -> list[Alert]:
    budget = 1 - thresholds.availability
    enough = f"sum by (service) (increase({errors(thresholds)}[1h])) > {_FEW}"
    found = []
    for name, rate, long, short, hold, severity in (
        ("Fast", _FAST, "1h", "5m", "2m", Severity.CRITICAL),
        ("Slow", _SLOW, "6h", "30m", "15m", Severity.WARNING),
    ):
        share = f"{rate * budget:.6g}"
        found.append(
            Alert(
                f"ErrorBudget{name}Burn",
                f"service:request_errors:ratio_rate{long} > {share}"
                f" and service:request_errors:ratio_rate{short} > {share} and {enough}",
                hold,
                severity,
                Playbook.HIGH_RESOURCE_USAGE,
                Board.OVERVIEW,
                "{{ $labels.service }} uses up its error budget",
                f"At this pace ({rate:g} times what {thresholds.availability:.1%} allows) the"
                " month's budget is gone early: {{ $value | humanizePercentage }} of requests"
                f" failed within {long}.",
            )
        )
    return found


def _quiet(thresholds: Thresholds) -> Alert:
    return Alert(
        "ErrorsAtLowTraffic",
        f"sum by (service) (increase({errors(thresholds)}[6h])) > 20"
        " and service:request_errors:ratio_rate6h > 0.2"
        " and sum by (service) (rate(onyx_http_requests_total[6h])) < 0.05",
        "30m",
        Severity.WARNING,
        Playbook.HIGH_RESOURCE_USAGE,
        Board.APPLICATION,
        "{{ $labels.service }} fails, and few people ask",
        "{{ $value | humanize }} requests failed within six hours. Burn rates do not see this:"
        " there are too few requests.",
    )
