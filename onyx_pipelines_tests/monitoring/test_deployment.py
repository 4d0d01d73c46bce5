"""One rendering serves production and a sandbox: other addresses, and a quicker pace."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
import yaml

from onyx_pipelines.monitoring.deployment import MANUS_NETWORK, Deployment, Pace, duration
from onyx_pipelines.monitoring.rendering import rendered
from onyx_pipelines.monitoring.services import CORE

QUICK: Final = Pace("2s", 0.5, timedelta(seconds=20), group_wait="1s", group_interval="3s")


def files(deployment: Deployment) -> dict[str, Any]:
    texts = rendered(deployment=deployment)
    return {
        name: yaml.safe_load(texts[name])
        for name in ("prometheus/prometheus.yml", "prometheus/rules.yml")
    } | {"alertmanager": yaml.safe_load(texts["alertmanager/alertmanager.yml"])}


def rules_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in found["prometheus/rules.yml"]["groups"] for rule in group["rules"]]


def test_in_a_quicker_pace_no_alert_waits_longer_and_none_is_lost() -> None:
    usual = rules_of(files(MANUS_NETWORK))
    quick = rules_of(files(replace(MANUS_NETWORK, pace=QUICK)))

    assert [rule.get("alert") for rule in quick] == [rule.get("alert") for rule in usual]
    assert [rule["expr"] for rule in quick] == [rule["expr"] for rule in usual]
    for rule, before in zip(quick, usual, strict=True):
        if "for" in rule:
            assert duration(rule["for"]) == min(duration(before["for"]) / 2, timedelta(seconds=20))


def test_everything_is_scraped_and_evaluated_at_the_pace() -> None:
    found = files(replace(MANUS_NETWORK, pace=QUICK))

    assert found["prometheus/prometheus.yml"]["global"] == {
        "scrape_interval": "2s",
        "scrape_timeout": "2s",
        "evaluation_interval": "2s",
    }
    assert not any("interval" in group for group in found["prometheus/rules.yml"]["groups"])
    route = found["alertmanager"]["route"]
    assert (route["group_wait"], route["group_interval"]) == ("1s", "3s")


def test_what_is_not_scraped_is_not_called_down() -> None:
    without = tuple(each for each in CORE if each.job != "redis")
    rules = rules_of(files(Deployment(without, ())))

    alerts = {rule.get("alert") for rule in rules}
    assert "RedisDown" not in alerts
    assert {"SunaDown", "LitellmDown"} <= alerts
    assert not any(str(name).endswith("Unreachable") for name in alerts)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0m", 0), ("30s", 30), ("5m", 300), ("1h", 3600), ("15s", 15)]
)
def test_a_rules_duration_is_read(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)


def test_a_duration_of_another_notation_is_refused() -> None:
    with pytest.raises(ValueError, match="1d12h"):
        duration("1d12h")
