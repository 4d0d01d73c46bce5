"""docs/retention.md says what the code does: its calendar is made by the code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.vault.retention import RetentionPolicy, SetRecord, plan

PAGE = Path(__file__).parents[2] / "docs" / "retention.md"
NOW = datetime(2026, 11, 23, 2, 10, tzinfo=UTC)


def calendar(policy: RetentionPolicy) -> str:
    """What is kept of two years of nightly sets, as a Markdown table."""
    history = [
        SetRecord(f"{night:04}", NOW - timedelta(days=night, minutes=10)) for night in range(730)
    ]
    lines = ["| set of | kept as | counted for |", "|---|---|---|"]
    for decision in plan(history, policy, now=NOW).kept:
        place = decision.reasons[0]
        period = place[place.index("(") + 1 : place.index(")")]
        day = f"{decision.timestamp:%a %Y-%m-%d}"
        lines.append(f"| {day} | {place[: place.index(' (')]} | {period} |")
    return "\n".join(lines)


def test_the_calendar_on_the_page_is_what_the_default_policy_keeps() -> None:
    policy = RetentionPolicy.from_settings(load_settings())

    assert calendar(policy) in PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_setting_of_retention() -> None:
    page = PAGE.read_text(encoding="utf-8")

    missing = {
        name
        for name in (
            "keep_daily",
            "keep_weekly",
            "keep_monthly",
            "retention_timezone",
            "sweep_grace_hours",
        )
        if f"`ONYX_{name.upper()}`" not in page or name not in Settings.model_fields
    }

    assert not missing
