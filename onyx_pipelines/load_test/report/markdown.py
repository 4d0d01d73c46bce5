"""The same facts as the page, as Markdown; and the short one that a web UI shows."""

from __future__ import annotations

from collections.abc import Iterator

from onyx_pipelines.load_test.capacity.fitting import steps_of
from onyx_pipelines.load_test.report.fullness import fullness
from onyx_pipelines.load_test.report.wording import (
    CAUSES,
    SIGNS,
    bottleneck_lines,
    capacity_lines,
    cause_share,
    change_text,
    command,
    gain_text,
    gap_text,
    headline,
    interval_text,
    milliseconds,
    moment,
    no_remedies,
    objective_text,
    part_name,
    quantity,
    ratio_text,
    reproduction_pairs,
    scenario_name,
    share_text,
    summary_name,
    verdict_text,
)
from onyx_pipelines.load_test.results import Cause, LatencySummary, LoadTestResult, Percentile
from onyx_pipelines.load_test.statistics.percentiles import REPORTED
from onyx_pipelines.reporting.markdown import code, table, text


def summary_markdown(result: LoadTestResult) -> str:
    """Verdict, objectives, bottleneck: what fits into a web UI's panel."""
    lines = [f"**{SIGNS[result.verdict]} {result.verdict.value.upper()}** {text(headline(result))}"]
    if result.objectives:
        lines.append(
            table(
                ("Objective", "Measured", "95 % interval", "Verdict"),
                [
                    (
                        text(each.name),
                        text(objective_text(each)),
                        text(interval_text(each.interval, each.unit)),
                        verdict_text(result, each),
                    )
                    for each in result.objectives
                ],
            )
        )
    lines += [f"- {text(line)}" for line in bottleneck_lines(result)]
    return "\n\n".join(lines)


def latency_markdown(result: LoadTestResult) -> str:
    """The table of percentiles."""
    headings = (
        "",
        *(f"p{100 * q:g}" for q in REPORTED),
        "max",
        "answers/s",
        "longest gap",
        "errors",
        "samples",
    )
    return table(headings, [_row(each) for each in result.summaries])


def report_markdown(result: LoadTestResult) -> str:
    """The whole report."""
    return "\n\n".join([*_sections(result)]) + "\n"


def _sections(result: LoadTestResult) -> Iterator[str]:
    yield f"# Load test {code(result.run_id)}, {moment(result.started_at)}"
    yield summary_markdown(result)
    yield "## Latency"
    yield latency_markdown(result) if result.summaries else "No request was answered."
    yield "\n".join(
        f"- {text(each.name)}: {verdict_text(result, each)}. {text(each.text)}"
        for each in result.objectives
    )
    if result.alarms:
        yield "## Told while the test ran"
        yield "\n".join(
            f"- {moment(each.at)}, {text(each.name)}: {text(each.text)}" for each in result.alarms
        )
    if result.sweep:
        yield "## By number of users"
        yield _sweep(result)
    if result.capacities:
        yield capacity_markdown(result)
    if any(step.services for step in result.sweep):
        yield "## How full each service was"
        yield from _fullness(result)
    yield "## Against the baseline"
    yield changes_markdown(result)
    yield "## What limits it"
    yield from _causes(result)
    yield "## What to do"
    yield _remedies(result)
    yield "## Whether this run can be used"
    yield table(
        ("", "Condition", "Observed", "Required"),
        [
            (
                {True: "✓", False: "✗", None: "?"}[gate.passed],
                *map(text, (gate.name, gate.observed, gate.required)),
            )
            for gate in result.validity.gates
        ],
    )
    yield "## Run it again"
    yield f"```sh\n{command(result)}\n```"
    yield table(("", ""), [(text(name), code(value)) for name, value in reproduction_pairs(result)])


def _row(summary: LatencySummary) -> tuple[str, ...]:
    return (
        text(summary_name(summary)),
        *(_percentile(summary.percentile(q)) for q in REPORTED),
        milliseconds(summary.max_ms),
        quantity(summary.throughput_per_s, "").strip(),
        gap_text(summary),
        share_text(summary.error_rate, 2),
        f"{summary.samples} in {summary.repeats}",
    )


def _percentile(found: Percentile | None) -> str:
    if found is None or found.value is None:
        return text(found.reason if found is not None else "not known")
    within = interval_text(found.interval)
    return milliseconds(found.value) + (f" ({within})" if within else "")


def _sweep(result: LoadTestResult) -> str:
    rows = []
    for step in result.sweep:
        largest = max(step.parts, key=lambda part: step.parts[part], default="")
        share = step.parts[largest] / step.mean_ms if largest and step.mean_ms else 0.0
        rows.append(
            (
                scenario_name(step.scenario),
                str(step.users),
                f"{step.throughput_per_s:.1f}",
                # Where nothing was answered, the mean is no number.
                milliseconds(step.mean_ms if step.samples else None),
                milliseconds(step.p95_ms),
                share_text(step.error_rate, 1),
                f"{text(part_name(largest))} ({100 * share:.0f} %)" if largest else "not known",
            )
        )
    return table(("Scenario", "Users", "Answers/s", "Mean", "p95", "Errors", "Largest part"), rows)


def capacity_markdown(result: LoadTestResult) -> str:
    """Highest throughput and knee of each scenario."""
    return "\n".join(f"- {text(line)}" for line in capacity_lines(result))


def _fullness(result: LoadTestResult) -> Iterator[str]:
    """One table per scenario with telemetry."""
    for scenario in dict.fromkeys(step.scenario for step in result.sweep):
        rows = fullness(result, scenario)
        if not rows:
            continue
        users = [f"{step.users} users" for step in steps_of(result.sweep, scenario)]
        yield table(
            (scenario_name(scenario), *users),
            [(text(name), *map(share_text, row)) for name, row in rows.items()],
        )


def changes_markdown(result: LoadTestResult) -> str:
    """Every figure against the baseline, or why there is none."""
    comparison = result.comparison
    if comparison.baseline_id is None:
        return text(comparison.reason)
    return f"Baseline {code(comparison.baseline_id)}.\n\n" + table(
        ("Figure", "Ratio (95 % interval)", "Change", ""),
        [
            (
                text(each.name) + (" **(decides)**" if each.is_gating else ""),
                ratio_text(each.ratio, each.interval),
                change_text(each),
                text(each.text),
            )
            for each in comparison.changes
        ],
    )


def _causes(result: LoadTestResult) -> Iterator[str]:
    for each in result.attributions:
        yield f"### {scenario_name(each.scenario)}"
        yield text(each.summary)
        for title, cause in (
            ("Cause", each.cause),
            ("Next best explanation", each.runner_up),
            ("Next limit once this is gone", each.next_cause),
        ):
            if cause is not None:
                yield _cause(title, cause)
        if each.cannot_tell:
            yield "\n".join(f"- {text(sentence)}" for sentence in each.cannot_tell)


def _remedies(result: LoadTestResult) -> str:
    rows = [
        (
            f"{scenario_name(each.scenario)}: {text(remedy.action)}",
            text("; ".join(gain_text(gain) for gain in remedy.gains)),
            text(remedy.risk),
            text(remedy.effort),
            text(remedy.verify),
        )
        for each in result.attributions
        for remedy in each.remedies
    ]
    if not rows:
        return no_remedies(result)
    return table(("Action", "Predicted", "Risk", "Effort", "How to verify"), rows)


def _cause(title: str, cause: Cause) -> str:
    evidence = " ".join(map(text, cause.evidence))
    return (
        f"{title}: **{text(cause.service)}: {CAUSES[cause.kind]}** (share"
        f" {cause_share(cause)}, confidence {cause.confidence:.2f}). {evidence}"
    )
