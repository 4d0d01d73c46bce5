"""What the commands of `onyx load-test` do. Loaded only for them: its tables take a second."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from onyx_pipelines.audit import Outcome, audited, cli_origin
from onyx_pipelines.cli.bars import load_test_bar
from onyx_pipelines.core.names import Job
from onyx_pipelines.core.settings import LoadTestSettings, load_settings
from onyx_pipelines.core.text import latency_text, per_second_text, second_text, utc_minute
from onyx_pipelines.load_test import steps
from onyx_pipelines.load_test.baselines import BaselineStore
from onyx_pipelines.load_test.plan import Profile, profile_named
from onyx_pipelines.load_test.report.formatting import (
    interval_text,
    objective_text,
    summary_name,
)
from onyx_pipelines.load_test.report.sentences import bottleneck_lines, headline, judgement
from onyx_pipelines.load_test.results import Alarm, LoadTestResult, LoadVerdict, Scenario
from onyx_pipelines.load_test.running.run_folder import RunFolder, run_keys
from onyx_pipelines.notify.configured import notified
from onyx_pipelines.reporting.publish import Published
from onyx_pipelines.terminal.ending import UsageError
from onyx_pipelines.terminal.output import (
    EXIT_BAD,
    EXIT_UNABLE,
    bold,
    err,
    finish,
    out,
    print_json,
    yellow,
)
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
    users: int | None,
    messages: int | None,
    repeats: int | None,
    step_seconds: float | None,
    label: str,
    as_json: bool,
) -> None:
    """Send the load and judge it.

    Exit status 0: the objectives are met; 1: one is missed; 2: the run does not prove it.
    """
    settings = load_settings()
    chosen = _profile(settings, profile, scenarios, users, messages, repeats, step_seconds)
    label = label or f"cli {second_text(datetime.now(UTC))}"
    with (
        notified(settings, Job.LOAD_TEST) as about,
        audited(
            settings,
            action="load test",
            origin=cli_origin(),
            parameters={"profile": chosen.name, "users": chosen.users, "label": label},
        ) as entry,
        ExclusiveLock(settings.state_dir, "load test"),
        load_test_bar(shown=not as_json) as progress,
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
    rows: list[dict[str, Any]] = []
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
    out.table(
        "load tests",
        ("run", "started (UTC)", "profile", "users", "target", "environment", "label"),
        [
            (
                str(row["run_key"]),
                utc_minute(row["started_at"]),
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
    out.table(
        "baselines",
        ("baseline", "run", "environment", "promoted (UTC)", "by", "reason"),
        [
            (
                each.baseline_id,
                each.run_key,
                each.fingerprint,
                utc_minute(each.promoted_at),
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
        out.line(f"{made.baseline_id} is the baseline of environment {made.fingerprint}.")


def _profile(
    settings: LoadTestSettings,
    name: str,
    scenarios: list[Scenario] | None,
    users: int | None,
    messages: int | None,
    repeats: int | None,
    step_seconds: float | None,
) -> Profile:
    base = profile_named(name or settings.load_test_profile)
    try:
        return base.changed(
            scenarios=scenarios or None,
            users=users,
            messages=messages,
            repeats=repeats,
            step_s=step_seconds,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(
            f"No load test has such {first['loc'][0]}: {first['msg']}.",
            remedy="`onyx load-test run --help` shows how it is used.",
        ) from None


def _answer(result: LoadTestResult, files: Published, *, as_json: bool) -> None:
    if as_json:
        print_json({**result.model_dump(mode="json"), "verdict": result.verdict.value,
                    "report": str(files.html)})  # fmt: skip
    else:
        _show(result, files)
    finish(_EXIT_CODES[result.verdict])


def _show(result: LoadTestResult, files: Published) -> None:
    out.line(bold(result.verdict.value.upper()), f" {result.run_id}")
    out.line(headline(result))
    rows = []
    for summary in result.summaries:
        p50, p95, p99 = (summary.percentile(q) for q in (0.5, 0.95, 0.99))
        rows.append(
            (
                summary_name(summary),
                *(
                    latency_text(each.value) if each and each.value is not None else "too few"
                    for each in (p50, p95, p99)
                ),
                interval_text(p95.interval) if p95 else "",
                per_second_text(summary.throughput_per_s),
                str(summary.errors),
                str(summary.samples),
            )
        )
    head = ("", "p50", "p95", "p99", "p95 is within", "throughput", "errors", "samples")
    out.table("latency", head, rows)
    for objective in result.objectives:
        said = objective.verdict if result.validity.is_valid else LoadVerdict.INVALID
        out.line(f"{said.value}: {objective_text(objective)}. {judgement(objective)}")
    for line in bottleneck_lines(result):
        out.line(line)
    out.line(f"report: {files.html}")


def _started(label: str) -> Callable[[RunFolder], None]:
    def tell(folder: RunFolder) -> None:
        err.line(f"run {folder.run_key}; after an interruption, --label '{label}' goes on with it")

    return tell


def _alarm(alarm: Alarm) -> None:
    err.line(yellow(alarm.name), f": {alarm.text}")
