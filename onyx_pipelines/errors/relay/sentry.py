"""Sentry's webhooks of an internal integration: issue alerts, metric alerts and what becomes of
issues (docs.sentry.io/integrations/integration-platform/webhooks). Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from pydantic import SecretStr

from onyx_pipelines.errors.relay import untrusted
from onyx_pipelines.errors.relay.signal import LOGGER_TAG, Reason, Signal, Source

SIGNATURE_HEADER: Final = "Sentry-Hook-Signature"
RESOURCE_HEADER: Final = "Sentry-Hook-Resource"
_OF_ISSUES: Final = {
    "created": Reason.NEW,
    "unresolved": Reason.REGRESSED,
    "resolved": Reason.RESOLVED,
}
_OF_METRICS: Final = {"critical": "fatal", "warning": "warning", "resolved": "info"}


def is_signed(body: bytes, signature: str, secret: SecretStr) -> bool:
    """Whether it is the HMAC-SHA256 of these bytes, in hexadecimal; false without a secret. Takes
    the same time whatever is wrong."""
    key = secret.get_secret_value()
    expected = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.strip().encode()) and bool(key)


def signal_of(body: bytes, resource: str, now: datetime) -> Signal | None:
    """None: nothing that people are told of (an installation, an issue that was assigned).

    Raises:
        MessageError: it is no message of Sentry's.
    """
    told = untrusted.mapping_of(body)
    action = untrusted.text(told, "action")
    key = hashlib.sha256(body).hexdigest()
    data = untrusted.part(told, "data")
    if resource == "event_alert":
        return event_signal(key, untrusted.part(data, "event"), now, data)
    if resource == "issue" and action in _OF_ISSUES:
        return _of_issue(key, untrusted.part(data, "issue"), _OF_ISSUES[action], now)
    if resource == "metric_alert" and action in _OF_METRICS:
        return _of_metric(key, data, action, now)
    return None


def captured(event: Mapping[str, Any], service: str, now: datetime) -> Signal:
    """An event as an SDK makes it, which may have reached no tracker.

    Raises:
        MessageError: it is none.
    """
    found = event_signal(untrusted.required(event, "event_id"), event, now)
    return found.model_copy(
        update={
            "source": Source.CAPTURED,
            "service": found.service or service,
            "issue": "",
        }
    )


def event_signal(
    key: str,
    event: Mapping[str, Any],
    now: datetime,
    data: Mapping[str, Any] = MappingProxyType({}),
) -> Signal:
    """An event in Sentry's form.

    Args:
        data: what a webhook says around it.
    """
    values = untrusted.items(untrusted.part(event, "exception"), "values")
    last = values[-1] if values and isinstance(values[-1], dict) else {}
    metadata = untrusted.part(event, "metadata")
    log_entry = untrusted.part(event, "logentry")
    title = untrusted.text(event, "title", "message") or untrusted.text(
        log_entry, "formatted", "message"
    )
    tags = _tags(event)
    seen = untrusted.moment(event, "timestamp", untrusted.moment(event, "datetime", now))
    return Signal(
        key=key,
        source=Source.SENTRY,
        reason=Reason.ALERT,
        service=tags.get("service")
        or untrusted.text(event, "project_name", "project_slug")
        or _project(event),
        type=untrusted.text(last, "type")
        or untrusted.text(metadata, "type")
        or title
        or "a message",
        message=untrusted.text(last, "value") or untrusted.text(metadata, "value") or title,
        culprit=_top_frame(last) or untrusted.text(event, "culprit", "transaction"),
        level=untrusted.text(event, "level") or tags.get("level", ""),
        release=untrusted.text(event, "release") or tags.get("release", ""),
        environment=untrusted.text(event, "environment") or tags.get("environment", ""),
        issue=untrusted.text(event, "issue_id"),
        link=untrusted.link(event, "web_url", "issue_url"),
        fingerprint=tuple(
            each for each in untrusted.items(event, "fingerprint") if isinstance(each, str)
        ),
        tags=tags,
        first_seen=seen,
        at=seen,
        said=untrusted.text(data, "triggered_rule"),
    )


def _of_issue(key: str, issue: Mapping[str, Any], reason: Reason, now: datetime) -> Signal:
    metadata, project = untrusted.part(issue, "metadata"), untrusted.part(issue, "project")
    seen = untrusted.moment(issue, "lastSeen", now)
    details = untrusted.part(issue, "statusDetails")
    fixed_in = untrusted.text(details, "inRelease") or untrusted.text(
        untrusted.part(details, "inCommit"), "commit"
    )
    return Signal(
        key=key,
        source=Source.SENTRY,
        reason=reason,
        service=untrusted.text(project, "slug", "name"),
        type=untrusted.text(metadata, "type") or untrusted.required(issue, "title"),
        message=untrusted.text(metadata, "value"),
        culprit=untrusted.text(issue, "culprit"),
        level=untrusted.text(issue, "level"),
        issue=untrusted.required(issue, "id"),
        link=untrusted.link(issue, "web_url", "permalink"),
        count=untrusted.number(issue, "count"),
        first_seen=untrusted.moment(issue, "firstSeen", seen),
        at=now if reason is Reason.RESOLVED else seen,
        said=fixed_in if reason is Reason.RESOLVED else "",
    )


def _of_metric(key: str, data: Mapping[str, Any], action: str, now: datetime) -> Signal:
    alert = untrusted.part(data, "metric_alert")
    rule = untrusted.part(alert, "alert_rule")
    projects = [each for each in untrusted.items(alert, "projects") if isinstance(each, str)]
    title = untrusted.required(data, "description_title")
    return Signal(
        key=key,
        source=Source.SENTRY,
        reason=Reason.RESOLVED if action == "resolved" else Reason.ALERT,
        service=", ".join(projects),
        type=untrusted.text(rule, "name") or untrusted.text(alert, "title") or title,
        message=untrusted.text(data, "description_text"),
        level=_OF_METRICS[action],
        issue=f"metric alert {untrusted.text(alert, 'id')}",
        link=untrusted.link(data, "web_url"),
        # A measured figure is in its text: each firing would be another issue.
        fingerprint=("metric alert", untrusted.text(rule, "id") or title),
        first_seen=untrusted.moment(alert, "date_started", now),
        at=now,
        said=title,
    )


def _top_frame(exception: Mapping[str, Any]) -> str:
    """The last one of our own code: frames are written from the oldest on."""
    frames = untrusted.items(untrusted.part(exception, "stacktrace"), "frames")
    known = [each for each in frames if isinstance(each, dict)]
    ours = [each for each in known if each.get("in_app")] or known
    if not ours:
        return ""
    place = untrusted.text(ours[-1], "module", "filename", "abs_path")
    function = untrusted.text(ours[-1], "function")
    return f"{place} in {function}" if place and function else place or function


def _tags(event: Mapping[str, Any]) -> dict[str, str]:
    """As pairs, or as an object: both are in use."""
    found = event.get("tags")
    pairs = list(found.items()) if isinstance(found, dict) else untrusted.items(event, "tags")
    tags = {
        untrusted.text({"": name}, ""): untrusted.text({"": value}, "")
        for name, value in (each for each in pairs if _is_pair(each))
    }
    logger = untrusted.text(event, LOGGER_TAG)
    return {**tags, LOGGER_TAG: logger} if logger else tags


def _is_pair(value: object) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2


def _project(event: Mapping[str, Any]) -> str:
    number = untrusted.text(event, "project")
    return f"project {number}" if number else ""
