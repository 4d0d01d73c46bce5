"""Sets of the past for tests of retention, and what a plan says of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from onyx_pipelines.vault.retention import (
    RetentionPlan,
    SetRecord,
)


def record(at: datetime, **changes: object) -> SetRecord:
    return replace(SetRecord(str(uuid.uuid4()), at), **changes)  # type: ignore[arg-type]  # keywords that a test names


def nightly(count: int, first: datetime = datetime(2025, 1, 1, 2, tzinfo=UTC)) -> list[SetRecord]:
    return [record(first + timedelta(days=day)) for day in range(count)]


def kept_ids(result: RetentionPlan) -> set[str]:
    return {decision.backup_id for decision in result.kept}


def reasons_of(result: RetentionPlan, each: SetRecord) -> tuple[str, ...]:
    return next(d.reasons for d in result.decisions if d.backup_id == each.backup_id)


def last(history: Sequence[SetRecord]) -> datetime:
    return max(each.timestamp for each in history)
