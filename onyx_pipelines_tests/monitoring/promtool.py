"""Debian's promtool as the judge of rules: which alerts fire at which minute of which history."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from onyx_pipelines_tests.monitoring.healthy import HEALTHY
from onyx_pipelines_tests.requirements_of_tests import program


@dataclass(frozen=True)
class Expected:
    """What fires at which minute of a healthy stack with `changes`.

    Args:
        only: a pattern of alerts; whether others fire is not looked at.
        unless: whatever fires while this alert does is not looked at either.
    """

    name: str
    changes: Mapping[str, str | None]
    firing: Mapping[int, Collection[str]]
    only: str = ""
    unless: str = ""


def judged_by_promtool(
    rules: str, expected: Iterable[Expected], folder: Path
) -> subprocess.CompletedProcess[str]:
    """What promtool says; status 0: all is as it is expected."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yml").write_text(rules)
    tests = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        # Otherwise an alert sees what was recorded now, or a minute ago.
        "group_eval_order": [each["name"] for each in yaml.safe_load(rules)["groups"]],
        "tests": [_test(each) for each in expected],
    }
    # JSON is YAML.
    (folder / "tests.yml").write_text(json.dumps(tests))
    return subprocess.run(
        [program("promtool"), "test", "rules", "tests.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _test(expected: Expected) -> dict[str, object]:
    series = {**HEALTHY, **expected.changes}
    # Nobody is told of those without a severity.
    firing = 'ALERTS{alertstate="firing",'
    matchers = f'alertname=~"{expected.only}"' if expected.only else 'severity!="none"'
    unless = f' unless on () {firing}alertname="{expected.unless}"}}' if expected.unless else ""
    return {
        "name": expected.name,
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values} for name, values in series.items() if values
        ],
        "promql_expr_test": [
            {
                "expr": f"count by (alertname) ({firing}{matchers}}}{unless})",
                "eval_time": f"{minute}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted({*names})
                ],
            }
            for minute, names in expected.firing.items()
        ],
    }
