"""What a rule is, and how Prometheus writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from onyx_pipelines.monitoring.deployment import PRODUCTION, Pace
from onyx_pipelines.monitoring.playbooks import Playbook


class Severity(StrEnum):
    """Who is told: critical by every channel at once, warning by Slack, none by nobody."""

    CRITICAL = "critical"
    WARNING = "warning"
    NONE = "none"


class Board(StrEnum):
    """The dashboard that an alert links to. Value: its uid in Grafana."""

    OVERVIEW = "onyx-system-overview"
    APPLICATION = "onyx-application-performance"
    MODELS = "onyx-llm-metrics"
    RETRIEVAL = "onyx-rag-performance"
    INFRASTRUCTURE = "onyx-infrastructure-health"


@dataclass(frozen=True)
class Recording:
    """A figure that several rules and panels read. Named level:what:how."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def rendered(self) -> dict[str, Any]:
        """For Prometheus' YAML."""
        labels = {"labels": dict(self.labels)} if self.labels else {}
        return {"record": self.record, "expr": self.expr, **labels}


@dataclass(frozen=True)
class Alert:
    """One thing that somebody must know.

    Args:
        hold: for how long it must be true before anybody is told.
        service: where the expression's own labels do not say which it is of.
        summary: one line, with `{{ $labels.x }}` of labels that the expression keeps.
        description: what it means, with its figure, and what to look at first.
    """

    name: str
    expr: str
    hold: str
    severity: Severity
    playbook: Playbook
    board: Board
    summary: str
    description: str
    service: str = ""

    def rendered(self, docs_url: str, grafana_url: str, pace: Pace = PRODUCTION) -> dict[str, Any]:
        """For Prometheus' YAML.

        Args:
            docs_url: where people read docs/, without a slash at its end.
            grafana_url: likewise.
        """
        labels = {"severity": self.severity.value, "playbook": self.playbook.value}
        if self.service:
            labels["service"] = self.service
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": pace.hold(self.hold),
            "labels": labels,
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": self.playbook.link(docs_url),
                "dashboard_url": f"{grafana_url}/d/{self.board.value}",
            },
        }


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated together, in their order. `interval`: empty: Prometheus' own."""

    name: str
    rules: Sequence[Recording | Alert]
    interval: str = ""

    @property
    def alerts(self) -> list[Alert]:
        """Without the recordings."""
        return [rule for rule in self.rules if isinstance(rule, Alert)]

    @property
    def recordings(self) -> list[Recording]:
        """Without the alerts."""
        return [rule for rule in self.rules if isinstance(rule, Recording)]

    def rendered(self, docs_url: str, grafana_url: str, pace: Pace = PRODUCTION) -> dict[str, Any]:
        """For Prometheus' YAML."""
        every = pace.evaluated_every(self.interval)
        interval = {"interval": every} if every else {}
        rules = [
            rule.rendered(docs_url, grafana_url, pace)
            if isinstance(rule, Alert)
            else rule.rendered()
            for rule in self.rules
        ]
        return {"name": self.name, **interval, "rules": rules}
