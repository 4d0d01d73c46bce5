"""Runs a plan unit by unit; what is done is never run again, what is half done starts anew."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import httpx
import pandas as pd

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.text import latency_text
from onyx_pipelines.core.whole_answer import whole_answer
from onyx_pipelines.load_test.k6.binary import K6
from onyx_pipelines.load_test.k6.following import SoFar
from onyx_pipelines.load_test.k6.rows import read_rows
from onyx_pipelines.load_test.k6.unit_process import FINE_EXITS, UnitRun, rows_file, run_unit
from onyx_pipelines.load_test.plan import Profile, Unit, expected_seconds, plan
from onyx_pipelines.load_test.results import Alarm, Block, Scenario
from onyx_pipelines.load_test.running.run_folder import RunFolder, UnitRecord
from onyx_pipelines.load_test.streaming.tap_process import RunningTap, running_tap
from onyx_pipelines.load_test.target import Target
from onyx_pipelines.load_test.telemetry.prometheus_usage import usage_between
from onyx_pipelines.load_test.telemetry.sampling import Sampler
from onyx_pipelines.load_test.telemetry.services import WatchedService

_log = logger("load_test")
_ATTEMPTS: Final = 2
# Repeats that lie further apart than this do not show the same system.
_BLOCK_WITHIN_S: Final = 3600.0
# Two usual scrape intervals.
_SCRAPE_PATIENCE_S: Final = 35.0
# Also on the way out of a test that somebody ends.
_CLEANUP_TIMEOUT_S: Final = 15.0
_LIKELY_MEAN_S: Final = 0.5
_OPEN_USERS: Final = (20, 200)


@dataclass(frozen=True)
class LoadProgress:
    """`share`: of the expected time. `p95_ms`: of the latest answers."""

    unit: str
    users: int
    rate_per_s: float
    p95_ms: float | None
    error_rate: float
    left_s: float
    share: float


@dataclass(frozen=True)
class LiveLimit:
    """Crossed while the test runs, it is told at once (not decided by). Milliseconds."""

    scenario: Scenario
    p95_ms: float
    of_first_token: bool = False


@dataclass(frozen=True)
class Running:
    """Everything that a run needs besides its folder."""

    k6: K6
    target: Target
    profile: Profile
    services: tuple[WatchedService, ...] = ()
    prometheus_url: str = ""
    limits: tuple[LiveLimit, ...] = ()
    cleanup_path: str = ""
    on_progress: Callable[[LoadProgress], None] = lambda _: None
    on_alarm: Callable[[Alarm], None] = lambda _: None


def run_units(folder: RunFolder, running: Running) -> None:
    """Run what is not done yet. A unit that fails twice is kept as it came out: validity says so.

    Raises:
        OnyxError: the tap did not start.
        OSError: k6 cannot be started, or the disk is full.
    """
    units = plan(running.profile)
    _forget_old_blocks(folder, units)
    waiting = [unit for unit in units if folder.done(unit) is None]
    if not waiting:
        return
    if len(waiting) < len(units):
        # The target has gone cold meanwhile.
        warm_ups = [unit for unit in units if unit.block is Block.WARM_UP]
        folder.forget(warm_ups)
        waiting = [*warm_ups, *(unit for unit in waiting if unit.block is not Block.WARM_UP)]
    _clean_up(running, folder.run_key)
    begun_s = time.time()
    try:
        with ExitStack() as stack:
            sampler = stack.enter_context(Sampler(running.services))
            tap = None
            if Scenario.CHAT in running.profile.scenarios:
                tap = stack.enter_context(running_tap(running.target))
                sampler.watch_generator(tap.pid)
            run = _Run(folder, running, sampler, tap, waiting)
            for unit in waiting:
                if not run.do(unit):
                    break
        _ask_prometheus(folder, running, begun_s)
    finally:
        _clean_up(running, folder.run_key)


class _Run:
    def __init__(
        self,
        folder: RunFolder,
        running: Running,
        sampler: Sampler,
        tap: RunningTap | None,
        waiting: Sequence[Unit],
    ) -> None:
        self._folder = folder
        self._running = running
        self._sampler = sampler
        self._tap = tap
        self._waiting = list(waiting)
        self._alarmed: set[Scenario] = set()
        self._expected = expected_seconds(waiting, _LIKELY_MEAN_S)
        self._spent = 0.0

    def do(self, unit: Unit) -> bool:
        """False: the target fails so much that going on is no use."""
        if unit.block is Block.OPEN:
            unit = self._with_rate(unit)
        for attempt in range(1, _ATTEMPTS + 1):
            record = self._attempt(unit, attempt)
            if record.is_whole or record.aborted:
                break
            _log.warning(
                "%s is run again: %s", unit.name, record.message or "not all rows came back"
            )
        self._spent += (record.ended_ms - record.started_ms) / 1000
        self._waiting = [each for each in self._waiting if each.name != unit.name]
        if record.aborted:
            self._tell(f"{unit.name} was aborted", f"{record.aborted}; the test ends here.")
        return not record.aborted

    def _attempt(self, unit: Unit, attempt: int) -> UnitRecord:
        running = self._running
        place = self._folder.attempt()
        address = running.target.address_of(unit.scenario)
        if unit.scenario is Scenario.CHAT and self._tap is not None:
            address = self._tap.address_of(address)
        run = run_unit(
            running.k6,
            unit,
            running.target,
            place,
            run_id=self._folder.run_key,
            address=address,
            longest_s=running.profile.longest_unit_s,
            max_error_rate=running.profile.max_error_rate,
            watch=lambda so_far, elapsed: self._watch(unit, so_far, elapsed),
            on_start=self._sampler.watch_generator,
        )
        rows = read_rows(rows_file(place), unit)
        record = UnitRecord(
            name=unit.name,
            planned=unit.planned_requests,
            rows=len(rows.samples),
            torn=rows.torn,
            exit_status=run.exit_status,
            attempts=attempt,
            started_ms=run.started_ms,
            ended_ms=run.ended_ms,
            generator_cpu_s=run.cpu_s,
            aborted=run.aborted,
            rate_per_s=unit.rate_per_s,
            message=_message(run, running.target),
        )
        if record.is_whole or record.aborted or attempt == _ATTEMPTS:
            table = self._sampler.table
            during = table["at_ms"].between(run.started_ms, run.ended_ms + 1000)
            self._folder.finish(unit, record, rows.samples, table[during])
        return record

    def _with_rate(self, unit: Unit) -> Unit:
        """A share of the highest throughput that the sweep showed; enough users to hold it."""
        samples = self._folder.samples(
            [
                each
                for each in plan(self._running.profile)
                if each.block is Block.SWEEP and each.scenario is unit.scenario
            ]
        )
        rate, mean_s = _highest_rate(samples)
        rate *= self._running.profile.open_share
        least, most = _OPEN_USERS
        return unit.at_rate(max(rate, 0.1), int(min(most, max(least, 4 * rate * mean_s))))

    def _watch(self, unit: Unit, so_far: SoFar, elapsed: float) -> None:
        left = expected_seconds(self._waiting, _LIKELY_MEAN_S) - elapsed
        self._running.on_progress(
            LoadProgress(
                unit=unit.name,
                users=unit.users,
                rate_per_s=so_far.requests / elapsed if elapsed > 0 else 0.0,
                p95_ms=so_far.p95_ms,
                error_rate=so_far.error_rate,
                left_s=max(0.0, left),
                share=min(1.0, (self._spent + elapsed) / max(self._expected, 1e-9)),
            )
        )
        if unit.block is Block.BASELINE:
            self._compare_with_limit(unit, so_far)

    def _compare_with_limit(self, unit: Unit, so_far: SoFar) -> None:
        for limit in self._running.limits:
            if limit.scenario is not unit.scenario or unit.scenario in self._alarmed:
                continue
            p95 = so_far.first_token_p95_ms if limit.of_first_token else so_far.p95_ms
            if p95 is not None and p95 > limit.p95_ms:
                self._alarmed.add(unit.scenario)
                what = "to the first token" if limit.of_first_token else "to the whole answer"
                self._tell(
                    f"{unit.scenario.value} is slow",
                    f"p95 {what} is {latency_text(p95)} at {unit.users} users so far; the"
                    f" objective is {latency_text(limit.p95_ms)}.",
                )

    def _tell(self, name: str, text: str) -> None:
        alarm = Alarm(at=datetime.now(UTC), name=name, text=text)
        self._folder.add_alarm(alarm)
        _log.warning("%s: %s", name, text, extra={"run": self._folder.run_key})
        self._running.on_alarm(alarm)


def _ask_prometheus(folder: RunFolder, running: Running, begun_s: float) -> None:
    """Once the last second of the run has been scraped too. Without an answer the run is as it
    was: what could not be told is missing, and the analysis says so."""
    asked = [service for service in running.services if service.prometheus]
    if not asked:
        return
    ended_s = time.time()
    deadline = ended_s + _SCRAPE_PATIENCE_S
    cores = float(os.cpu_count() or 1)
    try:
        while True:
            told = usage_between(running.prometheus_url, asked, begun_s, ended_s, cores=cores)
            last_s = told.groupby("service")["at_ms"].max().min() / 1000 if len(told) else 0.0
            whole = told["service"].nunique() == len(asked) and last_s >= ended_s - 1
            if whole or time.time() > deadline:
                break
            time.sleep(1)
        folder.add_told(told)
    except OnyxError as error:
        _log.warning("%s", error)


def _forget_old_blocks(folder: RunFolder, units: Sequence[Unit]) -> None:
    """A block of repeats that was interrupted for long starts anew."""
    now = time.time() * 1000
    for block in (Block.BASELINE, Block.SWEEP):
        mine = [unit for unit in units if unit.block is block]
        done = [record for unit in mine if (record := folder.done(unit)) is not None]
        if done and len(done) < len(mine):
            first = min(record.started_ms for record in done)
            if now - first > _BLOCK_WITHIN_S * 1000:
                folder.forget(mine)


def _highest_rate(samples: pd.DataFrame) -> tuple[float, float]:
    """Answered requests per second at the best step, and their mean seconds."""
    best, mean_s = 0.0, _LIKELY_MEAN_S
    for _, step in samples[samples["status"].between(200, 299)].groupby("users"):
        span_s = (step["ended_ms"].max() - step["started_ms"].min()) / 1000
        if span_s > 0 and len(step) / span_s > best:
            best = len(step) / span_s
            mean_s = float((step["ended_ms"] - step["started_ms"]).mean()) / 1000
    return best, mean_s


def _message(run: UnitRun, target: Target) -> str:
    """k6's last words, where it did not end well; its token is not among them."""
    if run.exit_status in FINE_EXITS:
        return ""
    text = " ".join(run.stderr.split())[-500:]
    token = target.token.get_secret_value()
    return text.replace(token, "[secret]") if token else text


def _clean_up(running: Running, run_key: str) -> None:
    """Remove what the test made in the target; a target that cannot is left as it is."""
    if not running.cleanup_path:
        return
    token = running.target.token.get_secret_value()
    url = running.target.url.rstrip("/") + running.cleanup_path.replace("{run}", run_key)
    try:
        with httpx.Client(timeout=_CLEANUP_TIMEOUT_S, trust_env=False) as client:
            sent = {"Authorization": f"Bearer {token}"} if token else {}
            whole_answer(client, "DELETE", url, limit_s=_CLEANUP_TIMEOUT_S, headers=sent)
    except httpx.HTTPError as error:
        _log.warning("What the load test made was not removed (%s).", type(error).__name__)
