"""The tests of alerts notice what should not have been changed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
import yaml

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.monitoring.rules.recorded import recordings
from onyx_pipelines.monitoring.rules.rule import Alert
from onyx_pipelines_tests.examples import random_examples
from onyx_pipelines_tests.monitoring.faults import FAULTS
from onyx_pipelines_tests.monitoring.mutants import Mutant, mutants
from onyx_pipelines_tests.monitoring.promtool import Expected, judged_by_promtool

RECORDED: Final = [group.rendered("", "") for group in recordings(Thresholds())]
ALL: Final = [
    mutant
    for group in groups(Thresholds())
    for alert in group.alerts
    if alert.name in FAULTS
    for mutant in mutants(alert)
]
# `make nightly` tries all of them; a day's run one in six, spread over all alerts.
EVERY: Final = 6


def rules(alert: Alert) -> str:
    return yaml.safe_dump(
        {"groups": [*RECORDED, {"name": "mutant", "rules": [alert.rendered("", "")]}]}
    )


def expected(name: str) -> list[Expected]:
    """All that the tests say of one alert."""
    fault = FAULTS[name]
    return [
        Expected("fires", fault.fires, {fault.at - 1: (), fault.at: {name}}, only=name),
        *(Expected("more", changes, {at: {name}}, only=name) for changes, at in fault.more),
        *(Expected("near", changes, {at: ()}, only=name) for changes, at in fault.near),
        *([Expected("silent", fault.silent, {20: (), 75: ()}, only=name)] if fault.silent else []),
    ]


def survivors(tried: list[Mutant], folder: Path) -> list[str]:
    def lives(number: int) -> bool:
        alert = tried[number].alert
        done = judged_by_promtool(rules(alert), expected(alert.name), folder / str(number))
        return done.returncode == 0

    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        living = list(threads.map(lives, range(len(tried))))
    return [
        f"{mutant.alert.name}: {mutant.what}"
        for mutant, alive in zip(tried, living, strict=True)
        if alive
    ]


@pytest.mark.parametrize("name", sorted(name for name, fault in FAULTS.items() if fault.near))
def test_what_is_near_to_a_fault_is_judged_right(name: str, tmp_path: Path) -> None:
    alert = next(
        each for group in groups(Thresholds()) for each in group.alerts if each.name == name
    )

    done = judged_by_promtool(rules(alert), expected(name), tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.thorough
def test_random_changes_of_alerts_are_noticed(tmp_path: Path) -> None:
    tried = ALL[:: random_examples(EVERY, at_night=1)]

    found = survivors(tried, tmp_path)

    assert len(found) <= 0.05 * len(tried), found
