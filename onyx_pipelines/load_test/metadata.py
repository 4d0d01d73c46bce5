"""What the assets of a load test show in the UI: numbers to plot, tables to read."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from onyx_pipelines.load_test.results import LoadTestResult


def latency_metadata(result: LoadTestResult) -> Mapping[str, Any]:
    """Percentiles of each scenario as a table and as points to plot."""
    from onyx_pipelines.load_test.report.markdown import latency_markdown

    found: dict[str, Any] = {}
    if result.summaries:
        found["percentiles"] = dg.MetadataValue.md(latency_markdown(result))
    for summary in result.summaries:
        name = f"{summary.scenario.value}/{summary.measure.value}"
        for each in summary.percentiles:
            found[f"{name}_p{100 * each.q:g}_ms"] = each.value
        found[f"{name}_max_ms"] = summary.max_ms
        found[f"{summary.scenario.value}/throughput_per_s"] = summary.throughput_per_s
        found[f"{summary.scenario.value}/error_rate"] = summary.error_rate
    return found


def saturation_metadata(result: LoadTestResult) -> Mapping[str, Any]:
    """How full each service was at its fullest."""
    found: dict[str, Any] = {"peak_memory_bytes": result.peak_memory_bytes}
    for step in result.sweep:
        for load in step.services:
            for kind, value in (("cpu", load.cpu_saturation), ("pool", load.pool_saturation)):
                key = f"{load.service}/{kind}_saturation"
                if value is not None:
                    found[key] = max(value, found.get(key, 0.0))
    return found


def sweep_metadata(result: LoadTestResult) -> Mapping[str, Any]:
    """The capacity of each scenario."""
    from onyx_pipelines.load_test.report.markdown import capacity_markdown

    found: dict[str, Any] = {"capacity": dg.MetadataValue.md(capacity_markdown(result))}
    for each in result.capacities:
        name = each.scenario.value
        found[f"{name}/knee_users"] = each.knee_users
        found[f"{name}/max_throughput_per_s"] = each.max_throughput_per_s
        found[f"{name}/base_ms"] = each.base_ms
    return found


def comparison_metadata(result: LoadTestResult) -> Mapping[str, Any]:
    """Each change against the baseline."""
    from onyx_pipelines.load_test.report.markdown import changes_markdown

    return {
        "baseline": result.comparison.baseline_id or "none",
        "changes": dg.MetadataValue.md(changes_markdown(result)),
        **{f"ratio/{each.name}": each.ratio for each in result.comparison.changes},
    }


def known(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A figure that is not known has no point in a plot; nobody reads microseconds of a tail."""
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in metadata.items()
        if value is not None
    }
