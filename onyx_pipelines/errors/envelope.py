"""Envelopes of Sentry's protocol: a line for the whole, a line for the item, the item. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

Kind = Literal["event", "check_in"]
# What was scrubbed is a tree.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)


def id_of(item: Mapping[str, Any]) -> str:
    """32 hexadecimal digits, by which a tracker knows it again.

    Raises:
        ValueError: it has none.
    """
    found = str(item.get("event_id") or item.get("check_in_id") or "").replace("-", "")
    if len(found) != 32 or not set(found) <= set("0123456789abcdef"):
        raise ValueError("an event without an id")
    return found


def envelope_of(item: Mapping[str, Any], kind: Kind) -> bytes:
    """Of one event or check-in, as it is kept until it is sent.

    Raises:
        ValueError: it has no id, or is no plain data.
    """
    payload = _ENCODER.encode(item).encode()
    head = json.dumps({"event_id": id_of(item)}).encode()
    of_item = json.dumps({"type": kind, "length": len(payload)}).encode()
    return b"\n".join((head, of_item, payload, b""))


def sent(envelope: bytes, now: datetime) -> bytes:
    """As it is sent: a tracker compares its clock with `sent_at`, and would move the times of an
    event that had waited.

    Raises:
        ValueError: it is no envelope.
    """
    head, _, rest = envelope.partition(b"\n")
    stamped = {**json.loads(head), "sent_at": now.astimezone(UTC).isoformat()}
    return json.dumps(stamped).encode() + b"\n" + rest
