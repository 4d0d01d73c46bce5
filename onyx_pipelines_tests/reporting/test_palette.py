"""Colours that can be read, on a light screen and on a dark one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.load_test.results import LoadVerdict
from onyx_pipelines.reporting.palette import DARK, LIGHT, role
from onyx_pipelines.restore.results import Step

PALETTES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it, 0 to 1."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(palette: Mapping[str, str], one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(palette[one]), _luminance(palette[other])))
    return (lighter + 0.05) / (darker + 0.05)


@PALETTES
@pytest.mark.parametrize("background", ["page", "surface", "band"])
@pytest.mark.parametrize("text", ["ink", "muted"])
def test_text_has_the_contrast_that_accessibility_asks_for(
    text: str, background: str, palette: Mapping[str, str]
) -> None:
    assert _contrast(palette, text, background) >= 4.5


@PALETTES
@pytest.mark.parametrize("verdict", [*Verdict, *LoadVerdict])
def test_a_verdict_is_readable_on_its_tint_and_on_the_page(
    verdict: Verdict | LoadVerdict, palette: Mapping[str, str]
) -> None:
    assert _contrast(palette, role(verdict), f"{role(verdict)}-tint") >= 4.5
    assert _contrast(palette, role(verdict), "surface") >= 4.5


@PALETTES
@pytest.mark.parametrize("step", [Step.FETCH, Step.RESTORE, Step.COMPARE, Step.PREPARE])
def test_the_bars_of_a_chart_stand_out(step: Step, palette: Mapping[str, str]) -> None:
    assert _contrast(palette, role(step), "surface") >= 2.4


def test_both_palettes_have_the_same_roles_and_no_colour_twice() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert len(set(LIGHT.values())) == len(LIGHT)
