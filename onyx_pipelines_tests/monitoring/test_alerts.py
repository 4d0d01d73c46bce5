"""Each alert fires on its fault, at its minute and not before, alone; and on nothing else.

The histories are a healthy stack's with one change; Debian's promtool evaluates them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.monitoring.expression import parsed
from onyx_pipelines.monitoring.rendering import rendered
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines.monitoring.rules.rule import Alert, Severity
from onyx_pipelines_tests.monitoring.faults import ABSENT, FAULTS
from onyx_pipelines_tests.monitoring.healthy import HEALTHY, MINUTES, flat, requests
from onyx_pipelines_tests.monitoring.promtool import Expected, judged_by_promtool

RULES: Final = rendered()["prometheus/rules.yml"]
ALERTS: Final = {alert.name: alert for group in groups(Thresholds()) for alert in group.alerts}
# What only histories of many hours show; `test_a_night_of_few_requests` does.
OF_HOURS: Final = {"ErrorsAtLowTraffic"}
# Fires always; it is what the dead man's switch hears.
WATCHDOG: Final = "Watchdog"
# Nobody is told of them.
UNTOLD: Final = {alert.name for alert in ALERTS.values() if alert.severity is Severity.NONE}


def agreed(expected: list[Expected], folder: Path) -> None:
    done = judged_by_promtool(RULES, expected, folder)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_fault_that_raises_it() -> None:
    assert set(FAULTS) | OF_HOURS | UNTOLD == set(ALERTS)


def test_a_healthy_stack_raises_nothing(tmp_path: Path) -> None:
    agreed([Expected("healthy", {}, {10: (), 60: (), 150: ()})], tmp_path)


def test_the_dead_mans_switch_is_told_always(tmp_path: Path) -> None:
    agreed([Expected("well", {}, {1: {WATCHDOG}, 150: {WATCHDOG}}, only=WATCHDOG)], tmp_path)


# PostgreSQL is away for ten minutes, and half of the requests fail.
_AWAY: Final = {
    "pg_up": f"1x9 0x9 1x{MINUTES}",
    next(iter(requests("500", 0))): f"0x9 60+60x9 600x{MINUTES}",
}


@pytest.mark.parametrize(
    ("alerts", "fires_at", "kept_back_by"),
    [
        ("ErrorRateHigh", 23, "OutageWithin5m"),
        ("ErrorBudgetFastBurn", 23, "OutageWithin5m"),
        ("ErrorBudgetSlowBurn", 44, "OutageWithin30m"),
    ],
)
def test_errors_of_an_outage_are_kept_back_for_as_long_as_any_window_has_them(
    alerts: str, fires_at: int, kept_back_by: str, tmp_path: Path
) -> None:
    every = dict.fromkeys(range(1, MINUTES), ())

    agreed(
        [
            Expected("they fire after it", _AWAY, {fires_at: {alerts}}, only=alerts),
            Expected("and are kept back", _AWAY, every, only=alerts, unless=kept_back_by),
        ],
        tmp_path,
    )


def test_errors_that_were_told_are_not_told_again_as_a_slow_burn(tmp_path: Path) -> None:
    changes = {next(iter(requests("500", 0))): f"0x9 60+60x9 600x{MINUTES}"}
    slow, every = "ErrorBudgetSlowBurn", dict.fromkeys(range(1, MINUTES), ())
    # While they come, the alert itself keeps it back.
    later = {minute: () for minute in every if minute > 25}

    agreed(
        [
            Expected("it fires after them", changes, {44: {slow}}, only=slow),
            Expected("and is kept back", changes, later, only=slow, unless="ErrorsWithin30m"),
        ],
        tmp_path,
    )


@pytest.mark.parametrize("name", ["OutageWithin5m", "OutageWithin30m"])
def test_without_an_outage_nothing_is_kept_back(name: str, tmp_path: Path) -> None:
    changes = FAULTS["ErrorRateHigh"].fires

    agreed([Expected("errors", changes, dict.fromkeys((10, 60, 149), ()), only=name)], tmp_path)


def test_each_fault_raises_its_alert_at_its_minute_and_no_other(tmp_path: Path) -> None:
    agreed(
        [
            Expected(name, fault.fires, {fault.at - 1: (), fault.at: {name}})
            for name, fault in FAULTS.items()
        ],
        tmp_path,
    )


def test_a_stack_that_is_well_hides_nothing_of_another_one(tmp_path: Path) -> None:
    readable, pending = "onyx_backup_stores_readable", "onyx_notifications_pending"
    changes = {
        readable: None,
        f'{readable}{{stack="blue"}}': flat(0),
        f'{readable}{{stack="green"}}': flat(1),
        f'{pending}{{channel="slack"}}': None,
        f'{pending}{{channel="slack",stack="blue"}}': flat(1),
        f'{pending}{{channel="slack",stack="green"}}': flat(0),
    }
    fires = {10: {"BackupsUnknown"}, 30: {"BackupsUnknown", "MessagesNotDelivered"}}

    agreed([Expected("two stacks", changes, fires)], tmp_path)


def test_what_is_just_not_enough_raises_nothing(tmp_path: Path) -> None:
    """As many of them at a time as have nothing to do with each other."""
    together: list[dict[str, str | None]] = []
    for fault in FAULTS.values():
        for changes in together:
            if not changes.keys() & fault.silent.keys():
                changes.update(fault.silent)
                break
        else:
            together.append(dict(fault.silent))

    agreed([Expected(str(each), each, {20: (), 75: ()}) for each in together], tmp_path)


def test_fewer_errors_than_their_share_are_no_failure_yet(tmp_path: Path) -> None:
    agreed([Expected("4.8 %", requests("500", 6), {12: ()})], tmp_path)


def test_a_service_that_was_never_scraped_is_down(tmp_path: Path) -> None:
    agreed(
        [Expected(name, fault.fires, {fault.at: {name}}) for name, fault in ABSENT.items()],
        tmp_path,
    )


def test_a_night_of_few_requests(tmp_path: Path) -> None:
    """Nine of ten fail, and there are so few that no burn rate has enough of them."""
    few = {**requests("200", 0.01), **requests("404", 0), **requests("429", 0)}
    changes = {**HEALTHY, **few, **requests("500", 0.06)}
    # Longer than the other histories.
    night = {name: values.replace(f"x{MINUTES}", "x420") for name, values in changes.items()}

    agreed([Expected("few", night, {400: {"ErrorsAtLowTraffic"}})], tmp_path)


@pytest.mark.parametrize("status", ["404", "429"])
def test_what_is_no_error_of_the_service_counts_as_none(status: str, tmp_path: Path) -> None:
    agreed([Expected(status, requests(status, 600), {30: ()})], tmp_path)


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_every_label_that_a_text_names_survives_the_expression(name: str) -> None:
    """Otherwise people read an empty place."""
    alert = ALERTS[name]
    named = set(re.findall(r"\$labels\.(\w+)", alert.summary + alert.description))

    assert named <= labels_that_survive(alert) | ({"service"} if alert.service else set())


def labels_that_survive(alert: Alert) -> set[str]:
    """Of its outermost aggregation; of a bare selector all that its fault's series have."""
    found = re.findall(r"by \(([^)]*)\)", parsed(alert.expr).prettify())
    recorded = {"service"} if re.search(r"\bservice:", alert.expr) else set()
    if found or recorded:
        return recorded | {label.strip() for each in found for label in each.split(",")}
    series = " ".join(FAULTS[alert.name].fires) if alert.name in FAULTS else ""
    return set(re.findall(r"(\w+)=", series))


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_every_alert_says_what_to_do(name: str) -> None:
    made = ALERTS[name].rendered("https://docs", "https://grafana")

    assert made["annotations"]["summary"]
    assert made["annotations"]["description"].endswith(".")
    assert re.fullmatch(r"https://docs/INCIDENTS\.html#[a-z-]+", made["annotations"]["runbook_url"])
    assert made["annotations"]["dashboard_url"].startswith("https://grafana/d/onyx-")


def test_a_threshold_is_a_setting(tmp_path: Path) -> None:
    rules = rendered(Thresholds(spend_usd_per_h=100))["prometheus/rules.yml"]
    spending = FAULTS["ModelSpendHigh"]

    done = judged_by_promtool(rules, [Expected("spending", spending.fires, {90: ()})], tmp_path)

    assert done.returncode == 0, done.stdout


def test_a_model_that_is_said_to_be_free_needs_no_price(tmp_path: Path) -> None:
    rules = rendered(Thresholds(free_models=("m", 'of "ours"')))["prometheus/rules.yml"]
    fires = FAULTS["ModelWithoutPrice"].fires

    done = judged_by_promtool(rules, [Expected("free", fires, {90: ()})], tmp_path)

    assert done.returncode == 0, done.stdout
