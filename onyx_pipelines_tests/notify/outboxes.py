"""What waits in an outbox for its channel."""

from __future__ import annotations

import json
from pathlib import Path

from onyx_pipelines.notify.event import Event, event_from_json


def waiting_events(state_dir: Path) -> list[Event]:
    """Oldest first."""
    paths = (state_dir / "notify").rglob("*.event.json")
    stored = [event_from_json(json.loads(path.read_bytes())["event"]) for path in paths]
    return sorted(stored, key=lambda event: event.occurred_at)
