"""reports/examples: a load test of a simulated application and a drill, as they are reported today.

`python -m docs.making.example_reports`. The data are fixed, so the pages change with the code only.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pandas as pd
from playwright.sync_api import sync_playwright

from docs.making.pictures import smaller
from onyx_pipelines.load_test.analysis.comparison import series_of
from onyx_pipelines.load_test.analysis.result import analyse
from onyx_pipelines.load_test.baselines import Baseline, BaselineStore
from onyx_pipelines.load_test.plan import Profile, Unit, plan
from onyx_pipelines.load_test.report.writing import load_test_page
from onyx_pipelines.load_test.results import Alarm, Environment, LoadTestResult, Scenario
from onyx_pipelines.load_test.running.run_folder import RunFolder, RunRecord, UnitRecord
from onyx_pipelines.load_test.targets import Targets
from onyx_pipelines.restore.report.history import History
from onyx_pipelines.restore.report.writing import drill_page
from onyx_pipelines.restore.results import DrillResult, parse_drill_result
from onyx_pipelines_tests.load_test.attribution.simulation import System, sweep

EXAMPLES: Final = Path(__file__).parents[2] / "reports" / "examples"
BEGAN: Final = datetime(2026, 11, 20, 3, 15, tzinfo=UTC)
PROFILE: Final = Profile(
    name="full", scenarios=(Scenario.CHAT, Scenario.RAG), sweep_users=(1, 2, 4, 8, 16, 20, 24, 32),
    open_s=0,
)  # fmt: skip
# The pool of connections is what limits this application; with the larger one nothing did.
HEALTHY: Final = {
    Scenario.CHAT: System(db_ms=90, db_pool=40, llm_ms=420, transfer_ms=15, vector_wait_ms=25),
    Scenario.RAG: System(db_ms=30, db_pool=40, llm_ms=0.5, vector_wait_ms=35, app_cpu_ms=2),
}
LIMITED: Final = {name: replace(each, db_pool=3) for name, each in HEALTHY.items()}
ENVIRONMENT: Final = Environment(
    fingerprint="c1f0a77d9e42b803",
    cpu_model="AMD EPYC 7543P",
    cores=8,
    memory_bytes=16 * 2**30,
    k6_version="1.1.0",
    script_digest="5d41402abc4b2a76",
    target="https://onyx.example",
    llm="mock, 40 tokens per s",
)
# At a desk, and at night on a phone.
_LOOKS: Final = (("", 1100, 1400, "light"), ("-phone", 390, 844, "dark"))
# Of the drills before this one, in weeks of steps: how long each took beside it.
EARLIER: Final = (1.04, 0.98, 1.01, 1.4, 0.97, 0.93, 0.95, 0.9, 0.88, 0.91, 0.85)


def load_test() -> tuple[LoadTestResult, pd.DataFrame]:
    """A run with a small pool, against one with a large pool."""
    with tempfile.TemporaryDirectory() as folder:
        before, samples = _run(Path(folder), "8f6c2d1e4b7a09f3", HEALTHY, None)
        store = BaselineStore(Path(folder))
        baseline = store.promote(before, series_of(samples), by="Ada", now=BEGAN)
        return _run(Path(folder), "51ab90cd77e3f210", LIMITED, baseline)


def _run(
    state_dir: Path, run_key: str, systems: dict[Scenario, System], baseline: Baseline | None
) -> tuple[LoadTestResult, pd.DataFrame]:
    folder = RunFolder(state_dir, run_key)
    folder.begin(
        RunRecord(
            run_key=run_key,
            label="example",
            profile=PROFILE,
            target=ENVIRONMENT.target,
            environment=ENVIRONMENT,
            started_at=BEGAN,
        )
    )
    at_ms = BEGAN.timestamp() * 1000
    for number, unit in enumerate(plan(PROFILE)):
        at_ms = _finish(folder, unit, systems[unit.scenario], number, at_ms)
    if baseline is not None:
        at = BEGAN + timedelta(seconds=97)
        text = "p95 to the whole answer is 239 ms at 20 users so far; the objective is 200 ms."
        folder.add_alarm(Alarm(at=at, name="rag is slow", text=text))
    return analyse(folder, Targets(memory_bytes=12e9), baseline), folder.samples(plan(PROFILE))


def _finish(folder: RunFolder, unit: Unit, system: System, number: int, at_ms: float) -> float:
    """Put a simulated unit in its place; gives when the next one begins."""
    seen = sweep(
        system,
        number,
        users=(unit.users,),
        scenario=unit.scenario.value,
        requests=unit.planned_requests or 40 + 12 * unit.users,
    )
    later_ms = at_ms - float(seen.samples["started_ms"].min())
    samples = seen.samples.assign(
        block=unit.block.value,
        repeat=unit.repeat,
        started_ms=seen.samples["started_ms"] + later_ms,
        ended_ms=seen.samples["ended_ms"] + later_ms,
    )
    telemetry = seen.telemetry.assign(at_ms=seen.telemetry["at_ms"] + later_ms)
    ended_ms = float(samples["ended_ms"].max())
    record = UnitRecord(
        name=unit.name,
        planned=unit.planned_requests,
        rows=len(samples),
        torn=0,
        exit_status=0,
        attempts=1,
        started_ms=at_ms,
        ended_ms=ended_ms,
        generator_cpu_s=0.1 * (ended_ms - at_ms) / 1000,
    )
    folder.finish(unit, record, samples, telemetry)
    return ended_ms + 1500


def earlier_drills(result: DrillResult) -> Iterator[DrillResult]:
    """Weekly ones, the newest first."""
    for weeks, factor in enumerate(EARLIER, start=1):
        ago = timedelta(weeks=weeks)
        components = [
            drill.model_copy(
                update={
                    "steps": tuple(
                        step.model_copy(update={"duration_s": factor * step.duration_s})
                        for step in drill.steps
                    )
                }
            )
            for drill in result.components
        ]
        moments = ("started_at", "finished_at", "recovery_point")
        yield result.model_copy(
            update={
                "drill_id": f"{result.drill_id}-{weeks}",
                "backup_id": f"{weeks:08x}{result.backup_id[8:]}",
                "components": tuple(components),
                **{name: getattr(result, name) - ago for name in moments},
            }
        )


def write() -> None:
    """Both pages, what they show, and a picture of each."""
    result, samples = load_test()
    folder = EXAMPLES / "load-test"
    page = load_test_page(result, samples, {Scenario.CHAT: 1500.0, Scenario.RAG: 200.0})
    (folder / "report.html").write_text(page, encoding="utf-8")
    (folder / "result.json").write_text(result.model_dump_json(indent=1), encoding="utf-8")
    folder = EXAMPLES / "restore-drill"
    drill = parse_drill_result((folder / "drill.json").read_bytes())
    page = drill_page(drill, History(tuple(earlier_drills(drill))))
    (folder / "report.html").write_text(page, encoding="utf-8")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=shutil.which("chromium")) as browser,
    ):
        for name in ("load-test", "restore-drill"):
            for suffix, width, height, scheme in _LOOKS:
                window = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                window.goto((EXAMPLES / name / "report.html").as_uri())
                picture = EXAMPLES / name / f"report{suffix}.png"
                picture.write_bytes(smaller(window.screenshot()))


if __name__ == "__main__":
    write()
