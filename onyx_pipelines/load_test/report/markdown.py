"""A load test's short summary and its tables, as Markdown for Dagster's metadata."""

from __future__ import annotations

from onyx_pipelines.core.text import latency_text
from onyx_pipelines.load_test.report import sentences
from onyx_pipelines.load_test.report.formatting import (
    bottleneck_lines,
    capacity_lines,
    change_text,
    gap_text,
    headline,
    interval_text,
    objective_text,
    quantity,
    ratio_text,
    share_text,
    summary_name,
)
from onyx_pipelines.load_test.report.view import judged, verdict
from onyx_pipelines.load_test.results import LatencySummary, LoadTestResult, Percentile
from onyx_pipelines.load_test.statistics.percentiles import REPORTED
from onyx_pipelines.reporting.markdown import code, table, text


def summary_markdown(result: LoadTestResult) -> str:
    """Verdict, objectives, bottleneck: what fits into a web UI's panel."""
    lines = [f"**{str(verdict(result)).upper()}** {text(headline(result))}"]
    if result.objectives:
        lines.append(
            table(
                ("Objective", "Measured", "95 % interval", "Verdict"),
                [
                    (
                        text(each.name),
                        text(objective_text(each)),
                        text(interval_text(each.interval, each.unit)),
                        str(judged(result, each)),
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


def _row(summary: LatencySummary) -> tuple[str, ...]:
    return (
        text(summary_name(summary)),
        *(_percentile(summary.percentile(q)) for q in REPORTED),
        latency_text(summary.max_ms),
        quantity(summary.throughput_per_s, "").strip(),
        gap_text(summary),
        share_text(summary.error_rate, 2),
        f"{summary.samples} in {summary.repeats}",
    )


def _percentile(found: Percentile | None) -> str:
    if found is None or found.value is None:
        return text(sentences.lacking(found))
    within = interval_text(found.interval)
    return latency_text(found.value) + (f" ({within})" if within else "")


def capacity_markdown(result: LoadTestResult) -> str:
    """Highest throughput and knee of each scenario."""
    return "\n".join(f"- {text(line)}" for line in capacity_lines(result))


def changes_markdown(result: LoadTestResult) -> str:
    """Every figure against the baseline, or why there is none."""
    comparison = result.comparison
    if comparison.baseline_id is None:
        return text(sentences.NO_BASELINE)
    return f"Baseline {code(comparison.baseline_id)}.\n\n" + table(
        ("Figure", "Ratio (95 % interval)", "Change", ""),
        [
            (
                text(each.name) + (" **(decides)**" if each.is_gating else ""),
                ratio_text(each.ratio, each.interval),
                change_text(each),
                text(sentences.change(each)),
            )
            for each in comparison.changes
        ],
    )
