"""What the commands of `onyx load-test` do. Loaded only for them: its tables take a second."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from onyx_pipelines.audit import Outcome, audited, cli_origin
from onyx_pipelines.cli.output import (
    EXIT_BAD,
    EXIT_UNABLE,
    err,
    finish,
    out,
    print_json,
    print_table,
)
from onyx_pipelines.load_test import steps
from onyx_pipelines.load_test.baselines import BaselineStore
from onyx_pipelines.load_test.plan import Profile, profile_named
from onyx_pipelines.load_test.report.wording import (
    bottleneck_lines,
    headline,
    interval_text,
    milliseconds,
    objective_text,
    summary_name,
)
from onyx_pipelines.load_test.report.writing import ReportFiles
from onyx_pipelines.load_test.results import Alarm, LoadTestResult, LoadVerdict, Scenario
from onyx_pipelines.load_test.running.execution import LoadProgress
from onyx_pipelines.load_test.running.run_folder import RunFolder, run_keys
from onyx_pipelines.notifications import told
from onyx_pipelines.settings import Settings, load_settings
from onyx_pipelines.vault.lock import ExclusiveLock

_EXIT_CODES = {
    LoadVerdict.PASSED: 0,
    LoadVerdict.FAILED: EXIT_BAD,
    LoadVerdict.INCONCLUSIVE: EXIT_UNABLE,
    LoadVerdict.INVALID: EXIT_UNABLE,
}


def run(
    *,
    profile: str,
    scenarios: list[Scenario] | None,
    users: int,
    messages: int,
    repeats: int,
    step_seconds: float,
    label: str,
    as_json: bool,
) -> None:
    """Send the load and judge it.

    Exit status 0: the objectives are met; 1: one is missed; 2: the run does not prove it.
    """
    settings = load_settings()
    chosen = _profile(settings, profile, scenarios, users, messages, repeats, step_seconds)
    label = label or f"cli {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    with (
        told(settings, "load_test") as about,
        audited(
            settings,
            action="load test",
            origin=cli_origin(),
            parameters={"profile": chosen.name, "users": chosen.users, "label": label},
        ) as entry,
        ExclusiveLock(settings.state_dir, "load test"),
        _bar(shown=not as_json) as progress,
    ):
        folder = steps.run(
            settings, chosen, label, on_progress=progress, on_alarm=_alarm, on_start=_started(label)
        )
        result, files = steps.report(settings, folder)
        entry.about(result.run_id)
        passed = result.verdict is LoadVerdict.PASSED
        entry.result(verdict=result.verdict.value, outcome=Outcome.OK if passed else Outcome.FAILED)
        about.details = {"load test": result.run_id, "verdict": result.verdict.value}
        if not passed:
            about.problems = (headline(result),)
    _answer(result, files, as_json=as_json)


def report(run_key: str, *, as_json: bool) -> None:
    """Write a run's report again, with today's objectives and baseline; sends nothing."""
    settings = load_settings()
    result, files = steps.report(settings, steps.find_run(settings, run_key))
    _answer(result, files, as_json=as_json)


def list_runs(*, as_json: bool) -> None:
    """Every run, the newest first."""
    settings = load_settings()
    rows = []
    for key in run_keys(settings.state_dir):
        record = RunFolder(settings.state_dir, key).record()
        rows.append(
            {
                "run_key": key,
                "started_at": record.started_at,
                "profile": record.profile.name,
                "users": record.profile.users,
                "target": record.target,
                "environment": record.environment.fingerprint,
                "label": record.label,
            }
        )
    if as_json:
        print_json(rows)
        return
    print_table(
        "load tests",
        ("run", "started (UTC)", "profile", "users", "target", "environment", "label"),
        [
            (
                str(row["run_key"]),
                f"{row['started_at']:%Y-%m-%d %H:%M}",
                *(str(row[name]) for name in ("profile", "users", "target")),
                str(row["environment"]),
                str(row["label"]),
            )
            for row in rows
        ],
    )


def list_baselines(*, as_json: bool) -> None:
    """Every baseline, the newest first; the first one of an environment counts."""
    found = BaselineStore(load_settings().state_dir).all()
    if as_json:
        print_json([each.model_dump(mode="json", exclude={"sweep"}) for each in found])
        return
    print_table(
        "baselines",
        ("baseline", "run", "environment", "promoted (UTC)", "by", "reason"),
        [
            (
                each.baseline_id,
                each.run_key,
                each.fingerprint,
                f"{each.promoted_at:%Y-%m-%d %H:%M}",
                each.promoted_by,
                each.reason,
            )
            for each in found
        ],
    )


def promote(run_key: str, *, reason: str, by: str, as_json: bool) -> None:
    """Compare later runs of the same environment with this one."""
    settings = load_settings()
    with audited(
        settings,
        action="load-test baseline promote",
        origin=cli_origin(),
        parameters={"run": run_key, "reason": reason},
    ) as entry:
        folder = steps.find_run(settings, run_key)
        entry.about(folder.run_key)
        made = steps.promote(settings, folder, by=by or getpass.getuser(), reason=reason)
        entry.result(verdict="promoted", outcome=Outcome.OK)
    if as_json:
        print_json(made.model_dump(mode="json", exclude={"sweep"}))
    else:
        out.print(f"{made.baseline_id} is the baseline of environment {made.fingerprint}.")


def _profile(
    settings: Settings,
    name: str,
    scenarios: list[Scenario] | None,
    users: int,
    messages: int,
    repeats: int,
    step_seconds: float,
) -> Profile:
    given: dict[str, Any] = {
        "scenarios": tuple(scenarios or ()),
        "users": users,
        "messages": messages,
        "repeats": repeats,
        "step_s": step_seconds,
    }
    base = profile_named(name or settings.load_test_profile)
    changes = {key: value for key, value in given.items() if value}
    return Profile.model_validate({**base.model_dump(), **changes})


def _answer(result: LoadTestResult, files: ReportFiles, *, as_json: bool) -> None:
    if as_json:
        print_json({**result.model_dump(mode="json"), "verdict": result.verdict.value,
                    "report": str(files.html)})  # fmt: skip
    else:
        _show(result, files)
    finish(_EXIT_CODES[result.verdict])


def _show(result: LoadTestResult, files: ReportFiles) -> None:
    out.print(f"[bold]{result.verdict.value.upper()}[/bold] {result.run_id}", highlight=False)
    out.print(headline(result), highlight=False, markup=False)
    rows = []
    for summary in result.summaries:
        p50, p95, p99 = (summary.percentile(q) for q in (0.5, 0.95, 0.99))
        rows.append(
            (
                summary_name(summary),
                *(
                    milliseconds(each.value) if each and each.value is not None else "too few"
                    for each in (p50, p95, p99)
                ),
                interval_text(p95.interval) if p95 else "",
                "unknown"
                if summary.throughput_per_s is None
                else f"{summary.throughput_per_s:.1f}/s",
                str(summary.errors),
                str(summary.samples),
            )
        )
    head = ("", "p50", "p95", "p99", "p95 is within", "throughput", "errors", "samples")
    print_table("latency", head, rows)
    for objective in result.objectives:
        said = objective.verdict if result.validity.is_valid else LoadVerdict.INVALID
        line = f"{said.value}: {objective_text(objective)}. {objective.text}"
        out.print(line, highlight=False, markup=False)
    for line in bottleneck_lines(result):
        out.print(line, highlight=False, markup=False)
    out.print(f"report: {files.html}", highlight=False)


def _started(label: str) -> Callable[[RunFolder], None]:
    def tell(folder: RunFolder) -> None:
        err.print(
            f"run {folder.run_key}; after an interruption, --label '{label}' goes on with it",
            highlight=False,
        )

    return tell


def _alarm(alarm: Alarm) -> None:
    err.print(f"[yellow]{alarm.name}[/yellow]: {alarm.text}", highlight=False)


@contextmanager
def _bar(*, shown: bool) -> Iterator[Callable[[LoadProgress], None]]:
    """Users, rate, p95 so far, time left; nothing unless standard error is a terminal."""
    if not shown or not err.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Bars(*columns, console=err) as bars:
        task = bars.add_task("starting", total=1.0, left="")

        def show(progress: LoadProgress) -> None:
            p95 = "" if progress.p95_ms is None else f", p95 {progress.p95_ms:.0f} ms"
            failing = f", {100 * progress.error_rate:.0f} % fail" if progress.error_rate else ""
            bars.update(
                task,
                completed=progress.share,
                description=f"{progress.unit}: {progress.users} users, {progress.rate_per_s:.0f}/s"
                f"{p95}{failing}",
                left=f"about {progress.left_s:.0f} s left",
            )

        yield show
