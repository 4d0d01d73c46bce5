"""A load test's short summary and its tables, as Markdown for Dagster's metadata."""

from __future__ import annotations

from onyx_pipelines.load_test.report import sentences, view
from onyx_pipelines.load_test.results import LoadTestResult
from onyx_pipelines.reporting.markdown import code, table_markdown, text


def summary_markdown(result: LoadTestResult) -> str:
    """Verdict, objectives, bottleneck: what fits into a web UI's panel."""
    lines = [f"**{str(view.verdict(result)).upper()}** {text(sentences.headline(result))}"]
    if result.objectives:
        lines.append(table_markdown(view.objectives(result)))
    lines += [f"- {text(line)}" for line in sentences.bottleneck_lines(result)]
    return "\n\n".join(lines)


def latency_markdown(result: LoadTestResult) -> str:
    """The table of percentiles."""
    return table_markdown(view.latencies(result))


def capacity_markdown(result: LoadTestResult) -> str:
    """Highest throughput and knee of each scenario."""
    return "\n".join(f"- {text(line)}" for line in sentences.capacity_lines(result))


def changes_markdown(result: LoadTestResult) -> str:
    """Every figure against the baseline, or why there is none."""
    baseline = result.comparison.baseline_id
    if baseline is None:
        return text(sentences.NO_BASELINE)
    return f"Baseline {code(baseline)}.\n\n{table_markdown(view.changes(result))}"
