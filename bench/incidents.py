"""Does the watching say what is wrong, at once and alone? Every fault of `incident_faults.py` in a
sandbox that is watched by the real programs; ten minutes of healthy load; and that load, repeated
to a day, before the rules. About an hour; `python -m bench.incidents 1` strikes once,
`python -m bench.incidents 1 "requests fail"` that one fault alone."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.incident_faults import Incident, incidents
from bench.table import Line, say, show
from onyx_pipelines.monitoring.alertmanager_config import INHIBITIONS
from onyx_pipelines.monitoring.expression import needs_of
from onyx_pipelines.monitoring.rendering import rendered
from onyx_pipelines.monitoring.rules.catalog import groups
from onyx_pipelines_tests.monitoring.watched_sandbox import (
    THRESHOLDS,
    WatchedSandbox,
    watched_sandbox,
)

REPEATS: Final = 3
_TOLD_WITHIN_S: Final = 60.0
# Two rounds of scraping and evaluating, and what Alertmanager waits for others to join.
_FOLLOWS_S: Final = 5.0
# The longest that an alert must hold in this pace, and such a round.
_PENDING_S: Final = 13.0
_OVER_WITHIN_S: Final = 30.0
# A scrape, an evaluation, and what a service takes to come back.
_FORGOTTEN_WITHIN_S: Final = 60.0
_HEALTHY_S: Final = 600
_DAY_MINUTES: Final = 24 * 60
_MOMENTS: Final = ("_timestamp_seconds", "_expiry", "_start_time_seconds")
# Alerts that look back for minutes are not over when their cause is.
_LOOKS_BACK: Final = re.compile(r"\[\d+[mh]\]|:(rate|ratio_rate|p95_)\d+m")
_LINGERING: Final = {
    alert.name
    for group in groups(THRESHOLDS)
    for alert in group.alerts
    if _LOOKS_BACK.search(alert.expr)
}


@dataclass(frozen=True)
class Told:
    """What people were told of one incident, in its order.

    Args:
        alerts: until it was over.
        late: of it too, and came while the next one was on.
    """

    incident: Incident
    alerts: tuple[str, ...]
    after_s: float
    late: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        return bool(self.alerts) and self.alerts[0] in self.incident.first

    @property
    def extra(self) -> int:
        return max(0, len(self.alerts) + len(self.late) - 1)


def run(
    directory: Path, repeats: int = REPEATS, only: Collection[str] = (), *, healthy: bool = True
) -> list[Line]:
    """Healthy first.

    Args:
        only: names of faults; empty: all.
        healthy: whether there is healthy load before.
    """
    begun = time.monotonic()
    with watched_sandbox(directory / "sandbox", directory) as watched:
        lines = _of_healthy(watched, directory) if healthy else []
        told: list[Told] = []
        for number in range(repeats):
            for each in incidents(_folder(directory, number)):
                if not only or each.name in only:
                    _strike(watched, each, told)
            say(f"  pass {number + 1}: {(time.monotonic() - begun) / 60:.0f} minutes since begun")
    return [*lines, *_judged(told)]


def _of_healthy(watched: WatchedSandbox, directory: Path) -> list[Line]:
    alerts = _healthy(watched)
    fired = _replayed(directory, _recorded(watched))
    return [
        Line("alerts in ten minutes of healthy load", len(alerts), 0, "", " ".join(alerts)),
        Line("alerts in a day of it, replayed", len(fired), 0, "", " ".join(fired)),
    ]


def _judged(told: Sequence[Told]) -> list[Line]:
    right = sum(each.right for each in told)
    most = max(told, key=lambda each: each.extra)
    slowest = max(told, key=lambda each: each.after_s)
    return [
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
            f"{most.incident.name}: {' '.join((*most.alerts, *most.late))}",
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


def _strike(watched: WatchedSandbox, incident: Incident, told: list[Told]) -> None:
    """Struck, waited for, and made good again. What comes of an alert that was there before belongs
    to the fault before."""
    _forgotten(watched, incident)
    before = watched.active()
    since = datetime.now(UTC)
    after_s = _TOLD_WITHIN_S
    with ExitStack() as after:
        incident.strike(watched, after)
        begun = time.monotonic()
        if _until(lambda: bool(watched.told(since, "firing") - before), _TOLD_WITHIN_S):
            after_s = time.monotonic() - begun
            time.sleep(_FOLLOWS_S)
            _until(lambda: not watched.active("pending"), _PENDING_S)
    _over(watched, since)
    alerts = watched.in_order(since)
    own = tuple(each for each in alerts if each not in before)
    if told:
        late = tuple(each for each in alerts if each in before and each not in told[-1].alerts)
        told[-1] = replace(told[-1], late=late)
    told.append(Told(incident, own, after_s))
    say(f"  {incident.name}: {' '.join(own) or 'nothing'} after {after_s:.0f} s")


def _forgotten(watched: WatchedSandbox, incident: Incident) -> None:
    """Until nothing of before fires that would keep it back, or is what it should raise. What only
    windows of minutes still see is forgotten, and not waited for."""
    sources = [
        rule.source
        for rule in INHIBITIONS
        if any(re.fullmatch(rule.target, name) for name in incident.first)
    ]
    in_the_way = re.compile("|".join([*sources, *incident.first]))

    def others() -> list[str]:
        return sorted(filter(in_the_way.fullmatch, watched.active()))

    deadline = time.monotonic() + _FORGOTTEN_WITHIN_S
    if found := others():
        say(f"  {incident.name}: first {', '.join(found)} must be over")
    while others() and time.monotonic() < deadline:
        watched.sandbox.monitoring.prometheus.forget()
        time.sleep(_FOLLOWS_S)


def _over(watched: WatchedSandbox, since: datetime) -> None:
    """Until what can be over is; windows of minutes are not waited for."""
    _until(
        lambda: watched.told(since, "firing") - _LINGERING <= watched.told(since, "resolved"),
        _OVER_WITHIN_S,
    )


def _until(holds: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return held


def _recorded(watched: WatchedSandbox) -> list[dict[str, Any]]:
    """Every series that a rule reads, a sample a minute."""
    names = {
        selector.name
        for group in groups(THRESHOLDS)
        for rule in group.rules
        for selector in needs_of(rule.expr).all_selectors()
    }
    raw = sorted(name for name in names if ":" not in name and name not in ("", "ALERTS"))
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
                        'ALERTS{alertstate="firing",severity!="none"}[1d]))',
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


def main() -> None:
    """As the head of this file says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repeats", nargs="?", type=int, default=REPEATS)
    parser.add_argument("faults", nargs="*", help="names; default: all, after healthy load")
    parser.add_argument("--no-load", action="store_true", help="without the healthy load before")
    options = parser.parse_args()
    known = {each.name for each in incidents(Path())}
    if unknown := sorted(set(options.faults) - known):
        parser.error(f"no such fault: {', '.join(unknown)}. There are: {'; '.join(sorted(known))}")
    with tempfile.TemporaryDirectory(prefix="onyx-bench-") as folder:
        Path(folder).chmod(0o755)
        lines = run(
            Path(folder),
            options.repeats,
            options.faults,
            healthy=not options.faults and not options.no_load,
        )
    show(lines)


if __name__ == "__main__":
    main()
