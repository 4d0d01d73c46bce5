"""Does the watching say what is wrong, at once and alone? Every fault of `incident_faults.py` in a
sandbox that is watched by the real programs; ten minutes of healthy load; and that load, repeated
to a day, before the rules. About an hour; `python -m bench.incidents 1` strikes once."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.incident_faults import Incident, incidents
from bench.table import Line, say, show
from onyx_pipelines.monitoring.expression import needs_of
from onyx_pipelines.monitoring.rendering import rendered
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines_tests.monitoring.promtool import WATCHDOG
from onyx_pipelines_tests.monitoring.watched_sandbox import (
    THRESHOLDS,
    WatchedSandbox,
    watched_sandbox,
)

REPEATS: Final = 3
_TOLD_WITHIN_S: Final = 60.0
# What follows from the first one would come within this.
_FOLLOWS_WITHIN_S: Final = 8.0
_HEALTHY_S: Final = 600
_DAY_MINUTES: Final = 24 * 60
_MOMENTS: Final = ("_timestamp_seconds", "_expiry", "_start_time_seconds")


@dataclass(frozen=True)
class Told:
    """What people were told of one incident, in its order."""

    incident: Incident
    alerts: tuple[str, ...]
    after_s: float

    @property
    def right(self) -> bool:
        return bool(self.alerts) and self.alerts[0] in self.incident.first

    @property
    def extra(self) -> int:
        return max(0, len(self.alerts) - 1)


def run(directory: Path, repeats: int = REPEATS) -> list[Line]:
    """Healthy first."""
    with watched_sandbox(directory / "sandbox", directory) as watched:
        healthy = _healthy(watched)
        fired = _replayed(directory, _recorded(watched))
        told = [
            _struck(watched, each)
            for number in range(repeats)
            for each in incidents(_folder(directory, number))
        ]
    right = sum(each.right for each in told)
    most = max(told, key=lambda each: each.extra)
    slowest = max(told, key=lambda each: each.after_s)
    return [
        Line("alerts in ten minutes of healthy load", len(healthy), 0, "", " ".join(healthy)),
        Line("alerts in a day of it, replayed", len(fired), 0, "", " ".join(fired)),
        Line(
            f"incidents whose first message is the right one, of {len(told)}",
            100 * right / len(told),
            95,
            "%",
            "; ".join(
                f"{each.incident.name}: {' '.join(each.alerts) or 'nothing'}"
                for each in told
                if not each.right
            ),
            at_least=True,
        ),
        Line(
            "further messages of one incident",
            most.extra,
            1,
            "",
            f"{most.incident.name}: {' '.join(most.alerts)}",
        ),
        Line("until the first message", slowest.after_s, 60, "s", slowest.incident.name),
    ]


def _folder(directory: Path, number: int) -> Path:
    made = directory / f"disk-{number}"
    made.mkdir()
    return made


def _healthy(watched: WatchedSandbox) -> list[str]:
    since = datetime.now(UTC)
    say(f"  {_HEALTHY_S / 60:g} minutes of healthy load …")
    deadline = time.monotonic() + _HEALTHY_S
    while time.monotonic() < deadline:
        watched.ask(1)
        time.sleep(2)
    return sorted(watched.told(since, "firing"))


def _struck(watched: WatchedSandbox, incident: Incident) -> Told:
    """Struck, waited for, and made good again; what fires of before is told no second time."""
    since = datetime.now(UTC)
    after_s = _TOLD_WITHIN_S
    with ExitStack() as after:
        incident.strike(watched, after)
        begun = time.monotonic()
        while time.monotonic() - begun < _TOLD_WITHIN_S:
            if watched.told(since, "firing"):
                after_s = time.monotonic() - begun
                time.sleep(_FOLLOWS_WITHIN_S)
                break
            time.sleep(0.5)
    alerts = watched.in_order(since)
    say(f"  {incident.name}: {' '.join(alerts) or 'nothing'} after {after_s:.0f} s")
    _calm(watched, since)
    return Told(incident, tuple(alerts), after_s)


def _calm(watched: WatchedSandbox, since: datetime) -> None:
    """Until what can be over is; windows of minutes are not waited for."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if watched.told(since, "firing") <= watched.told(since, "resolved"):
            return
        time.sleep(1)


def _recorded(watched: WatchedSandbox) -> list[dict[str, Any]]:
    """Every series that a rule reads, a sample a minute."""
    names = {
        selector.name
        for group in groups(THRESHOLDS)
        for rule in group.rules
        for selector in needs_of(rule.expr).all_selectors()
    }
    raw = sorted(name for name in names if ":" not in name and name)
    return watched.sandbox.monitoring.prometheus.history(
        f'{{__name__=~"{"|".join(raw)}|up|probe_success"}}', _HEALTHY_S - 60, 60
    )


def _replayed(directory: Path, recorded: list[dict[str, Any]]) -> list[str]:
    """Alerts that fire in a day of it, which promtool evaluates once a minute."""
    say(f"  a day of {len(recorded)} series before the rules …")
    rules = rendered(THRESHOLDS)["prometheus/rules.yml"]
    (directory / "rules.yml").write_text(rules)
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [each for each in map(_a_day_of, recorded) if each],
                "promql_expr_test": [
                    {
                        "expr": "count by (alertname) (max_over_time("
                        f'ALERTS{{alertstate="firing",alertname!="{WATCHDOG}"}}[1d]))',
                        "eval_time": f"{_DAY_MINUTES - 1}m",
                        "exp_samples": [],
                    }
                ],
            }
        ],
    }
    (directory / "day.yml").write_text(json.dumps(document))
    done = subprocess.run(
        ["promtool", "test", "rules", "day.yml"],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return []
    found = sorted(
        {part.split('"')[0] for part in (done.stdout + done.stderr).split('alertname="')[1:]}
    )
    return found or [done.stdout + done.stderr]


def _a_day_of(series: dict[str, Any]) -> dict[str, str] | None:
    """The recording again and again; a counter goes on from where it was."""
    labels = dict(series["metric"])
    name = labels.pop("__name__")
    values = [float(value) for _, value in series["values"]]
    if len(values) < 2:
        return None
    if name.endswith(_MOMENTS):
        # promtool's time begins at 0; 0 says never.
        begin = float(series["values"][0][0])
        values = [value and value - begin for value in values]
    day = _tiled(values, rises=name.endswith(("_total", "_bucket", "_count", "_sum")))
    text = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{name}{{{text}}}", "values": " ".join(f"{each:.10g}" for each in day)}


def _tiled(values: list[float], *, rises: bool) -> list[float]:
    found: list[float] = []
    offset = 0.0
    while len(found) < _DAY_MINUTES:
        found += [value + offset for value in values]
        if rises:
            step = (values[-1] - values[0]) / (len(values) - 1)
            offset += values[-1] - values[0] + step
    return found[:_DAY_MINUTES]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="onyx-bench-") as folder:
        Path(folder).chmod(0o755)
        lines = run(Path(folder), int(sys.argv[1]) if sys.argv[1:] else REPEATS)
    show(lines)
