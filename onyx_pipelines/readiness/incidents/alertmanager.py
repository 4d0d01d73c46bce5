"""Alertmanager's webhook (version 4): what it sends, and what of that is heard.

Source: prometheus.io/docs/alerting/latest/configuration/#webhook_config.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from onyx_pipelines.core.text import printable, shortened
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.monitoring.rules.rule import Severity
from onyx_pipelines.readiness.incidents.deciding import Message
from onyx_pipelines.readiness.incidents.record import AlertSeen

# No alert of ours is older; a moment in year 1 cannot be told in every zone.
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NAME: Final = 100
_SUMMARY: Final = 200
_DESCRIPTION: Final = 1000
_Text = Annotated[str, StringConstraints(max_length=10_000)]
_Texts = Annotated[dict[_Text, _Text], Field(max_length=100)]


class _Sent(BaseModel):
    """What it has besides is not read: later versions say more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class AlertSent(_Sent):
    """One alert. `ends_at`: of one that fires it is in year 1, or in the future."""

    status: Annotated[str, Field(pattern="^(firing|resolved)$")]
    labels: _Texts
    annotations: _Texts = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime = Field(alias="endsAt")
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{1,64}$")]


class MessageSent(_Sent):
    """One group's: all that fire, and what has ended since the last message."""

    group_key: Annotated[str, Field(alias="groupKey", max_length=10_000)] = ""
    alerts: tuple[AlertSent, ...]


def message_of(
    sent: MessageSent, now: datetime, *, stack: str = "", clean: Callable[[str], str] = str
) -> Message:
    """What concerns this stack: nothing of another's, and nothing that is told to nobody.

    Args:
        stack: its name; "": the only one, which all alerts are about.
        clean: a text without secrets.
    """

    def text(value: str, limit: int) -> str:
        return shortened(printable(" ".join(clean(value).split())), limit)

    def seen(alert: AlertSent) -> AlertSeen:
        began_at = min(max(alert.starts_at, _EARLIEST), now)
        return AlertSeen(
            fingerprint=alert.fingerprint,
            name=text(alert.labels.get("alertname", "") or "an alert without a name", _NAME),
            service=text(alert.labels.get("service", ""), _NAME),
            severity=_severity(alert),
            playbook=_playbook(alert.labels.get("playbook", "")),
            summary=text(alert.annotations.get("summary", ""), _SUMMARY),
            description=text(alert.annotations.get("description", ""), _DESCRIPTION),
            began_at=began_at,
            ended_at=(
                max(began_at, min(alert.ends_at, now)) if alert.status == "resolved" else None
            ),
            heard_at=now,
        )

    wanted = [
        each
        for each in sent.alerts
        if _severity(each) is not Severity.NONE
        and (not stack or each.labels.get("stack", "") in ("", stack))
    ]
    group = hashlib.sha256(sent.group_key.encode()).hexdigest()[:16] if sent.group_key else ""
    return Message(group, tuple(map(seen, wanted)))


def _severity(alert: AlertSent) -> Severity:
    """What says no severity of ours may be grave."""
    said = alert.labels.get("severity", "")
    return Severity(said) if said in set(Severity) else Severity.CRITICAL


def _playbook(text: str) -> Playbook | None:
    return Playbook(text) if text in set(Playbook) else None
