"""Bugsink's webhook ("Custom"): an issue of its API, with why it tells. It signs nothing, so its
address holds a secret. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from onyx_pipelines.errors.relay import untrusted
from onyx_pipelines.errors.relay.signal import Reason, Signal, Source

_REASONS: Final = {
    "NEW": Reason.NEW,
    "REGRESSED": Reason.REGRESSED,
    "UNMUTED": Reason.UNMUTED,
    "TEST": Reason.ALERT,
}


def signal_of(body: bytes, now: datetime) -> Signal:
    """Raises MessageError: it is no message of Bugsink's."""
    told = untrusted.mapping_of(body)
    issue = untrusted.required(told, "id")
    why = untrusted.text(told, "alert_reason")
    seen = untrusted.moment(told, "last_seen", now)
    is_test = why == "TEST"
    return Signal(
        key=hashlib.sha256(body).hexdigest(),
        source=Source.BUGSINK,
        reason=_REASONS.get(why, Reason.ALERT),
        service=untrusted.text(told, "project_name", "project"),
        type=untrusted.text(told, "calculated_type", "title") or "an error",
        message=untrusted.text(told, "calculated_value"),
        culprit=untrusted.text(told, "transaction"),
        issue=issue,
        link=untrusted.link(told, "url"),
        count=untrusted.number(told, "digested_event_count"),
        first_seen=untrusted.moment(told, "first_seen", seen),
        # Its test message is of a day long ago.
        at=now if is_test else seen,
        said="This is a test of the webhook." if is_test else untrusted.text(told, "unmute_reason"),
    )
