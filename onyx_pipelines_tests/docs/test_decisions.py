"""What docs/decisions.md says of settings is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from onyx_pipelines.core.settings import NAMES
from onyx_pipelines.core.settings.part import variable

PAGE: Final = (Path(__file__).parents[2] / "docs" / "decisions.md").read_text(encoding="utf-8")
# Not of the product's settings: which file they stand in.
BESIDES: Final = {"ONYX_CONFIG"}


def test_every_setting_that_it_names_exists() -> None:
    named = set(re.findall(r"`(ONYX_[A-Z0-9_]+)`", PAGE))

    assert named - BESIDES - {variable(name) for name in NAMES} == set()


def test_each_open_question_and_risk_of_the_specification_has_options_a_choice_and_a_setting() -> (
    None
):
    sections = re.split(r"^##+ ", PAGE, flags=re.MULTILINE)
    asked = [each for each in sections if re.match(r".*\((open|the spec.*open|risk)", each)]

    assert len(asked) == 8
    for each in asked:
        assert "| option | for | against |" in each
        assert "Chosen: " in each
        assert "**Setting:** " in each
