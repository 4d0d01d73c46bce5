"""docs/configuration.md says what the settings are."""

from __future__ import annotations

from pathlib import Path

from onyx_pipelines.core.settings import NAMES, PARTS, Settings
from onyx_pipelines.core.settings.reference import configuration_markdown

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_markdown(), "run `make docs`"


def test_every_setting_is_explained() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_every_setting_belongs_to_one_part() -> None:
    assert sorted(NAMES) == sorted(Settings.model_fields)
    assert all(issubclass(Settings, part) for part in PARTS)
