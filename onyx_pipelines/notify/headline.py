"""One line of what is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from onyx_pipelines.notify.event import Event, Outcome

SIGNS = {
    Outcome.STARTED: "▶",
    Outcome.SUCCEEDED: "✅",
    Outcome.FAILED: "❌",
    Outcome.RECOVERED: "💚",
    Outcome.CANCELLED: "✋",
    Outcome.WARNED: "⚠️",
    Outcome.MISSED: "⏰",
    Outcome.REPORTED: "📋",
}


def headline(events: Sequence[Event]) -> str:
    """Of the newest one, with how many there were."""
    newest = events[-1]
    times = f" ({len(events)} times)" if len(events) > 1 else ""
    return f"{SIGNS[newest.outcome]} {newest.subject}{times}"
