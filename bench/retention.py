"""The retention plan for 100,000 sets."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.table import Line
from onyx_pipelines.vault.retention import RetentionPolicy, SetRecord, plan

SETS = 100_000


def run(_: Path) -> list[Line]:
    """Sets every six hours for 68 years, under 7 daily, 4 weekly, 12 monthly."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    records = [
        SetRecord(str(uuid.UUID(int=number)), now - timedelta(hours=6 * number))
        for number in range(SETS)
    ]
    begun = time.monotonic()
    decided = plan(records, RetentionPolicy(), now=now)
    seconds = time.monotonic() - begun
    kept = len(decided.kept)
    return [Line("retention plan, 100,000 sets", seconds, 2.0, "s", f"{kept} kept")]
