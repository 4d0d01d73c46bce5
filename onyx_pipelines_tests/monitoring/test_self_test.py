"""The rendered configuration is judged by the programs that will load it, or by nobody."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.monitoring import self_test as judging
from onyx_pipelines.monitoring.rendering import rendered
from onyx_pipelines.monitoring.self_test import COMMANDS, Judged, self_test
from onyx_pipelines_tests.requirements_of_tests import program

pytestmark = pytest.mark.servers


@pytest.fixture(autouse=True)
def programs() -> None:
    for name in ("promtool", "amtool"):
        program(name)


def verdicts(judged: tuple[Judged, ...]) -> dict[str, Verdict]:
    return {each.name: each.verdict for each in judged}


@pytest.mark.parametrize("thresholds", [Thresholds(), Thresholds(backup_age=timedelta(days=3))])
def test_what_is_rendered_is_accepted_and_fires_as_set(thresholds: Thresholds) -> None:
    judged = self_test(rendered(thresholds), thresholds)

    assert verdicts(judged) == dict.fromkeys(COMMANDS, Verdict.PASSED), judged


@pytest.mark.parametrize(
    ("path", "before", "after", "check"),
    [
        ("prometheus/prometheus.yml", "job_name", "jobname", "prometheus_accepts_configuration"),
        ("prometheus/rules.yml", "vector(1)", "vector(", "prometheus_accepts_rules"),
        ("alertmanager/alertmanager.yml", "receiver:", "to:", "alertmanager_accepts_configuration"),
    ],
)
def test_what_would_not_be_loaded_is_named(path: str, before: str, after: str, check: str) -> None:
    files = {**rendered()}
    files[path] = files[path].replace(before, after)

    found = verdicts(self_test(files, Thresholds()))

    assert found[check] is Verdict.FAILED


def test_an_alert_that_would_not_fire_as_set_is_noticed() -> None:
    other = rendered(Thresholds(backup_age=timedelta(days=30)))

    assert verdicts(self_test(other, Thresholds()))["alerts_fire_as_set"] is Verdict.FAILED


def test_without_the_programs_nothing_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(judging, "_BESIDE", ())

    judged = self_test(rendered(), Thresholds())

    assert set(verdicts(judged).values()) == {Verdict.COULD_NOT_VERIFY}
    assert all("is not installed" in each.text for each in judged)
