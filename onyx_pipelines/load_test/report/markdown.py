"""The same facts as the page, as Markdown; and the short one that a web UI shows."""

from __future__ import annotations

from collections.abc import Iterator

from onyx_pipelines.load_test.report.wording import (
    CAUSES,
    CHANGES,
    SIGNS,
    bottleneck_lines,
    gain_text,
    headline,
    interval_text,
    milliseconds,
    objective_text,
    part_name,
    quantity,
    ratio_text,
    scenario_name,
    summary_name,
)
from onyx_pipelines.load_test.results import Cause, LatencySummary, LoadTestResult, Percentile
from onyx_pipelines.load_test.statistics.percentiles import REPORTED
from onyx_pipelines.page.markdown import code, table, text


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
                        f"{SIGNS[each.verdict]} {each.verdict.value}",
                    )
                    for each in result.objectives
                ],
            )
        )
    lines += [f"- {text(line)}" for line in bottleneck_lines(result)]
    return "\n\n".join(lines)


def latency_markdown(result: LoadTestResult) -> str:
    """The table of percentiles."""
    headings = ("", *(f"p{100 * q:g}" for q in REPORTED), "max", "answers/s", "errors", "samples")
    return table(headings, [_row(each) for each in result.summaries])


def report_markdown(result: LoadTestResult) -> str:
    """The whole report."""
    return "\n\n".join([*_sections(result)]) + "\n"


def _sections(result: LoadTestResult) -> Iterator[str]:
    yield f"# Load test {code(result.run_id)}, {result.started_at:%Y-%m-%d %H:%M} UTC"
    yield summary_markdown(result)
    yield "## Latency"
    yield latency_markdown(result) if result.summaries else "No request was answered."
    yield "\n".join(
        f"- {text(each.name)}: {each.verdict.value}. {text(each.text)}"
        for each in result.objectives
    )
    if result.alarms:
        yield "## Told while the test ran"
        yield "\n".join(f"- {each.at:%H:%M:%S} UTC: {text(each.text)}" for each in result.alarms)
    if result.sweep:
        yield "## By number of users"
        yield _sweep(result)
    if result.capacities:
        yield capacity_markdown(result)
    yield "## Against the baseline"
    yield changes_markdown(result)
    yield "## What limits it"
    yield from _causes(result)
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
    environment = result.environment
    yield "## Run it again"
    yield f"```sh\nonyx load-test run --profile {result.profile}\n```"
    yield (
        f"k6 {text(environment.k6_version)}, scripts {code(environment.script_digest)},"
        f" environment {code(environment.fingerprint)} ({text(environment.cpu_model)},"
        f" {environment.cores} cores), target {code(result.target)},"
        f" {result.generator_s:.0f} s of load, at most {result.attempts} attempts a unit."
    )


def _row(summary: LatencySummary) -> tuple[str, ...]:
    errors = "not known" if summary.error_rate is None else f"{100 * summary.error_rate:.2f} %"
    return (
        text(summary_name(summary)),
        *(_percentile(summary.percentile(q)) for q in REPORTED),
        milliseconds(summary.max_ms),
        quantity(summary.throughput_per_s, "").strip(),
        errors,
        f"{summary.samples} in {summary.repeats}",
    )


def _percentile(found: Percentile | None) -> str:
    if found is None or found.value is None:
        return text(found.reason if found is not None else "not known")
    return f"{milliseconds(found.value)} ({interval_text(found.interval)})"


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
                milliseconds(step.mean_ms),
                milliseconds(step.p95_ms),
                f"{100 * step.error_rate:.1f} %",
                f"{text(part_name(largest))} ({100 * share:.0f} %)" if largest else "not known",
            )
        )
    return table(("Scenario", "Users", "Answers/s", "Mean", "p95", "Errors", "Largest part"), rows)


def capacity_markdown(result: LoadTestResult) -> str:
    """Highest throughput and knee of each scenario."""
    lines = []
    for each in result.capacities:
        name = scenario_name(each.scenario)
        if not each.is_reached or each.knee_users is None:
            lines.append(f"- {name}: the sweep ended before throughput levelled off.")
            continue
        knee = interval_text(each.knee_interval, "users")
        lines.append(
            f"- {name}: at most {quantity(each.max_throughput_per_s, 'answers per s')}, knee at"
            f" {each.knee_users:.1f} users ({knee}); one alone waits {milliseconds(each.base_ms)}."
        )
    return "\n".join(lines)


def changes_markdown(result: LoadTestResult) -> str:
    """Every figure against the baseline, or why there is none."""
    comparison = result.comparison
    if comparison.baseline_id is None:
        return text(comparison.reason)
    return f"Baseline {code(comparison.baseline_id)}.\n\n" + table(
        ("Figure", "Ratio (95 % interval)", "Change"),
        [
            (
                text(each.name) + (" **(decides)**" if each.is_gating else ""),
                ratio_text(each.ratio, each.interval),
                CHANGES[each.kind] + (", **alarm**" if each.is_alarm else ""),
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
        for remedy in each.remedies:
            gains = "; ".join(gain_text(gain) for gain in remedy.gains)
            yield (
                f"- **{text(remedy.action)}** {text(gains)}. Risk: {text(remedy.risk)} Effort:"
                f" {text(remedy.effort)}. {text(remedy.verify)}"
            )
        if each.cannot_tell:
            yield "\n".join(f"- {text(sentence)}" for sentence in each.cannot_tell)


def _cause(title: str, cause: Cause) -> str:
    evidence = " ".join(map(text, cause.evidence))
    return (
        f"{title}: **{text(cause.service)}: {CAUSES[cause.kind]}** ({100 * cause.share:.0f} %,"
        f" confidence {cause.confidence:.2f}). {evidence}"
    )
