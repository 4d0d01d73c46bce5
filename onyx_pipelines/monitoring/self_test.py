"""Would the rendered configuration be loaded, and does it alert? Prometheus' and Alertmanager's own
programs say so. Where one is not installed, that is not verified, and never passed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.core.text import shortened
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.host.processes import ProgramError, text_of

_TIMEOUT_S: Final = 120.0
_MOST_SAID: Final = 1000
_HISTORY: Final = "prometheus/self_test.yml"
# Debian puts some of them where only administrators look.
_BESIDE: Final = ("/usr/sbin", "/usr/local/sbin")
# Minutes: an alert that waits for five of them fires at the tenth.
_AT: Final = 10


@dataclass(frozen=True)
class Judged:
    """What a program says of the configuration. `name`: of the asset check."""

    name: str
    verdict: Verdict
    text: str


# By the name of the asset check: a program with its options, and the file that it looks at.
COMMANDS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    # Without the files of passwords that it names: they lie on Prometheus' host.
    "prometheus_accepts_configuration": (
        ("promtool", "check", "config", "--syntax-only"),
        "prometheus/prometheus.yml",
    ),
    "prometheus_accepts_rules": (
        ("promtool", "check", "rules", "--lint=all", "--lint-fatal"),
        "prometheus/rules.yml",
    ),
    "alerts_fire_as_set": (("promtool", "test", "rules"), _HISTORY),
    "alertmanager_accepts_configuration": (
        ("amtool", "check-config"),
        "alertmanager/alertmanager.yml",
    ),
}


def self_test(files: Mapping[str, str], thresholds: Thresholds) -> tuple[Judged, ...]:
    """One of each of `COMMANDS`.

    Args:
        files: what `rendered` gives.
        thresholds: what the rules were rendered with.
    """
    # JSON is YAML.
    history = json.dumps(_history(files["prometheus/rules.yml"], thresholds))
    with tempfile.TemporaryDirectory(prefix="onyx-monitoring-") as name:
        folder = Path(name)
        for path, text in {**files, _HISTORY: history}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        return tuple(
            _judged(check, command, folder / path) for check, (command, path) in COMMANDS.items()
        )


def _judged(check: str, command: tuple[str, ...], file: Path) -> Judged:
    program, *options = command
    path = os.pathsep.join((os.environ.get("PATH", ""), *_BESIDE))
    found = shutil.which(program, path=path)
    if found is None:
        said = f"{program} is not installed on this host, so nobody has looked."
        return Judged(check, Verdict.COULD_NOT_VERIFY, said)
    try:
        text_of([found, *options, file], timeout_s=_TIMEOUT_S)
    except ProgramError as error:
        return Judged(check, Verdict.FAILED, shortened(error.what, _MOST_SAID))
    return Judged(check, Verdict.PASSED, f"`{' '.join(command)}` accepts it.")


def _history(rules: str, thresholds: Thresholds) -> dict[str, Any]:
    """Of a backup that is too old by the settings of this host, and of a fresh one."""
    old_s = thresholds.backup_age.total_seconds()
    return {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        # Otherwise an alert sees what was recorded now, or a minute ago.
        "group_eval_order": [each["name"] for each in yaml.safe_load(rules)["groups"]],
        "tests": [
            _test("a backup that is too old", -old_s - 1, ["BackupStale", "Watchdog"]),
            _test("a fresh backup", 0, ["Watchdog"]),
        ],
    }


def _test(name: str, taken_at: float, firing: list[str]) -> dict[str, Any]:
    watched = 'alertname=~"BackupStale|Watchdog"'
    return {
        "name": name,
        "interval": "1m",
        "input_series": [
            {
                "series": "onyx_backup_last_success_timestamp_seconds",
                "values": f"{taken_at:.0f}x{_AT}",
            }
        ],
        "promql_expr_test": [
            {
                "expr": f'count by (alertname) (ALERTS{{alertstate="firing",{watched}}})',
                "eval_time": f"{_AT}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{each}"}}', "value": 1} for each in firing
                ],
            }
        ],
    }
