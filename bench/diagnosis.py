"""Does the triage name the right playbook? Every kind of fault of `diagnosis_faults.py`, in three
intensities, in a sandbox that is watched by the real programs; and fifty triages while all is well.
About an hour; `python -m bench.diagnosis --half open` strikes with those alone that were not kept
apart, `--only NAME` with one. What is in the file of results is not done again."""

from __future__ import annotations

import argparse
import itertools
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from bench.diagnosis_faults import Fault, Intensity, faults, kept_apart
from bench.diagnosis_figures import FIGURES
from bench.diagnosis_results import Diagnosed, append, figures, is_right, judged, read
from bench.strikes.machine import Machine
from bench.table import say, show
from onyx_pipelines.core.settings import Settings, Thresholds, load_settings
from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.diagnosis import Triage
from onyx_pipelines.readiness.playbook import playbooks
from onyx_pipelines.readiness.triage import triage
from onyx_pipelines.sandbox.monitoring.visitors import visiting
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox, watched_sandbox

HALVES: Final = ("open", "kept-apart", "both")
_HEALTHY: Final = 50
_PEOPLE, _PAUSE_S = 3, 1.0
# From when on a figure of a few scrapes is one.
_SETTLES_S: Final = 5.0
_USUAL_S: Final = 20.0
_LEAST_MS: Final = 400.0
_CALM_WITHIN_S: Final = 90.0
_BETWEEN_S: Final = 2.0


@dataclass(frozen=True)
class Scene:
    """A watched sandbox with people in it, and where results go."""

    watched: WatchedSandbox
    settings: Settings
    results: Path

    def strike(self, fault: Fault, intensity: Intensity) -> Diagnosed:
        """Struck, looked at, made good."""
        # Whoever mends them meanwhile need not begin again.
        playbooks.cache_clear()
        before = self.calm()
        with ExitStack() as after:
            fault.strikes[intensity](self.watched, after)
            time.sleep(fault.seen_after_s)
            found = self._diagnosed(triage(self.settings))
        # What did not come back by itself.
        self.watched.up()
        found = found.model_copy(
            update={"fault": fault.name, "intensity": intensity, "before": before}
        )
        append(self.results, found)
        return found

    def look(self) -> Diagnosed:
        """While nothing is wrong."""
        found = self._diagnosed(triage(self.settings))
        append(self.results, found)
        return found

    def calm(self) -> tuple[Playbook, ...]:
        """Until nothing is named, with nothing left in any window of what was; else what is."""
        deadline = time.monotonic() + _CALM_WITHIN_S
        while True:
            self.watched.sandbox.monitoring.prometheus.forget()
            time.sleep(_SETTLES_S)
            named = _ids(triage(self.settings))
            if not named or time.monotonic() > deadline:
                return named

    def _diagnosed(self, found: Triage) -> Diagnosed:
        return Diagnosed(
            at=found.at,
            commit=_commit(),
            named=_ids(found),
            because={
                each.playbook.id: tuple(f"{step.step.id}: {step.text}" for step in each.decided_by)
                for each in found.named
            },
            unknown=tuple(each.playbook.id for each in found.could_not_tell),
            took_s=found.took_s,
        )


def _ids(found: Triage) -> tuple[Playbook, ...]:
    return tuple(each.playbook.id for each in found.named)


@contextmanager
def _scene(directory: Path, results: Path) -> Iterator[tuple[Scene, list[Fault]]]:
    machine = Machine(directory / "machine")
    with (
        watched_sandbox(directory / "sandbox", directory) as watched,
        machine.watched_by(watched),
    ):
        # Its own machine is not busy with what others do: the usual limits hold.
        watched.sandbox.monitoring.thresholds = Thresholds()
        watched.up()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in watched.sandbox.environment().items():
                patch.setenv(name, value)
            settings = load_settings()
        applications = (watched.sandbox.app, watched.sandbox.monitoring.suna)
        with visiting(applications, people=_PEOPLE, pause_s=_PAUSE_S):
            _note_usual(watched)
            yield Scene(watched, settings, results), faults(machine)


def _note_usual(watched: WatchedSandbox) -> None:
    """What is slow here is not what is slow on a machine that does more, or less, besides."""
    time.sleep(_USUAL_S)
    prometheus = watched.sandbox.monitoring.prometheus
    found = prometheus.series("max(service:request_latency_seconds:p95_5m)")
    watched.note_baseline(max([_LEAST_MS, *(1000 * float(each["value"][1]) for each in found)]))


def run(
    directory: Path,
    results: Path,
    wanted: Collection[tuple[str, Intensity]],
    healthy: int,
) -> None:
    """Whatever of this is not in `results` yet."""
    done = read(results)
    known = {each.key for each in done}
    with _scene(directory, results) as (scene, every):
        left = [
            (fault, intensity)
            for intensity in Intensity
            for fault in every
            if (fault.name, intensity) in wanted and (fault.name, intensity) not in known
        ]
        healthy -= sum(not each.fault for each in done)
        if healthy > 0:
            say(f"  {healthy} times nothing is wrong …")
            scene.calm()
        for _ in range(healthy):
            found = scene.look()
            if found.named:
                say(f"  nothing is wrong: {_told(found)}")
            time.sleep(_BETWEEN_S)
        begun = time.monotonic()
        for number, (fault, intensity) in enumerate(left, 1):
            found = scene.strike(fault, intensity)
            mark = "" if is_right(found, {fault.name: fault}) else "   <- WRONG"
            passed = (time.monotonic() - begun) / 60
            say(f"  {number}/{len(left)} {passed:.0f} min, {fault.name} ({intensity}):"
                f" {_told(found)}{mark}")  # fmt: skip


def chosen(names: Sequence[str], half: str, only: Collection[str]) -> frozenset[str]:
    """Which of them are struck with. `only`: whichever half they are of; empty: the half."""
    if only:
        return frozenset(only)
    apart = kept_apart(names)
    return {"open": frozenset(names) - apart, "kept-apart": apart, "both": frozenset(names)}[half]


def _told(found: Diagnosed) -> str:
    said = "; ".join(f"{each} ({', '.join(found.because[each])})" for each in found.named)
    before = f", before {' '.join(found.before)}" if found.before else ""
    return f"{said or 'nothing'}{before}, {found.took_s:.1f} s"


def _commit() -> str:
    """Of this source tree."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()


def main() -> int:
    """As the head of this file says; exit status 1 if a target was missed."""
    every = {each.name: each for each in faults(Machine(Path()))}
    apart = kept_apart(list(every))
    parser = argparse.ArgumentParser(prog="python -m bench.diagnosis", description=__doc__)
    parser.add_argument("--half", choices=HALVES, default="both")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--intensity", action="append", type=Intensity, choices=list(Intensity))
    parser.add_argument("--healthy", type=int, default=_HEALTHY, help="triages with nothing wrong")
    parser.add_argument("--results", type=Path, default=Path("diagnosis.jsonl"))
    parser.add_argument("--publish", action="store_true", help="only write what the page shows")
    options = parser.parse_args()
    if unknown := sorted(set(options.only) - set(every)):
        parser.error(f"no such fault: {', '.join(unknown)}. There are: {'; '.join(sorted(every))}")
    if options.publish:
        found = figures(read(options.results), list(every.values()), apart)
        FIGURES.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return 0
    # What it started ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say(f"begun {datetime.now(UTC):%H:%M}; kept apart: {'; '.join(sorted(apart))}")
    with tempfile.TemporaryDirectory(prefix="onyx-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        names = chosen(list(every), options.half, options.only)
        wanted = set(itertools.product(names, options.intensity or Intensity))
        run(Path(folder), options.results, wanted, options.healthy)
    lines = judged(read(options.results), every, apart)
    show(lines)
    return 1 if any(line.verdict == "MISSED" for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
