"""docs/reference/dagster.md, written from the definitions: what the UI shows and what runs when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

import dagster as dg

from docs.making.words import one_line
from onyx_pipelines.definitions import build_defs
from onyx_pipelines.reporting.markdown import code, table

_HEAD: Final = """# Dagster: assets, checks, jobs, schedules, sensors

Generated from the definitions by `make docs`; do not edit. How they fit together is in
[architecture](../architecture.md).
"""
_EXCLUSIVE: Final = "onyx/exclusive"
_LONGEST: Final = "dagster/max_runtime"


def page() -> str:
    """The whole page."""
    definitions = build_defs({})
    repository = definitions.get_repository_def()
    parts = [
        _HEAD,
        *_assets(definitions.resolve_asset_graph()),
        _jobs(repository.get_all_jobs()),
        *_options(repository.get_all_jobs()),
        _schedules(repository.schedule_defs),
        _sensors(repository.sensor_defs),
    ]
    return "\n".join(parts)


def _assets(graph: Any) -> Iterable[str]:
    groups = defaultdict(list)
    for key in graph.toposorted_asset_keys:
        groups[graph.get(key).group_name].append(key)
    for group, keys in sorted(groups.items()):
        rows = [
            [
                code(key.to_user_string()),
                ", ".join(
                    sorted(code(each.to_user_string()) for each in graph.get(key).parent_keys)
                )
                or "none",
                one_line(graph.get(key).description),
            ]
            for key in keys
        ]
        yield f"## Assets: {group}\n\n{table(['asset', 'is made from', 'what it is'], rows)}\n"
        yield f"### Checks: {group}\n\n{_checks(graph, keys)}\n"


def _checks(graph: Any, keys: list[dg.AssetKey]) -> str:
    rows = [
        [
            code(key.asset_key.to_user_string()),
            code(key.name),
            "yes" if graph.get(key).blocking else "no",
            one_line(graph.get(key).description),
        ]
        for key in sorted(graph.asset_check_keys, key=str)
        if key.asset_key in keys
    ]
    headings = ["asset", "check", "stops what follows", "what is promised"]
    return table(headings, rows)


def _jobs(jobs: Iterable[dg.JobDefinition]) -> str:
    rows = [
        [
            code(job.name),
            "yes" if _EXCLUSIVE in job.tags else "no",
            _hours(job.tags),
            one_line(job.description),
        ]
        for job in _named(jobs)
    ]
    text = table(["job", "alone on the host", "ended after", "what it does"], rows)
    return f"## Jobs\n\n{text}\n"


def _options(jobs: Iterable[dg.JobDefinition]) -> Iterable[str]:
    """What the launchpad of each job takes; the same options of several steps stand once."""
    for job in _named(jobs):
        steps = defaultdict(list)
        for node in sorted(job.graph.node_defs, key=lambda node: node.name):
            rows = tuple(_option(name, field) for name, field in _fields(node).items())
            if rows:
                steps[rows].append(node.name)
        if steps:
            yield f"### Options of {job.name}\n"
        for rows, names in steps.items():
            text = table(["option", "default", "meaning"], rows)
            yield f"Of {', '.join(code(name) for name in names)}:\n\n{text}\n"


def _fields(node: Any) -> Mapping[str, Any]:
    schema = getattr(node, "config_schema", None)
    kind = schema.as_field().config_type if schema else None
    return getattr(kind, "fields", {})


def _option(name: str, field: Any) -> tuple[str, str, str]:
    default = field.default_value if field.default_provided else None
    shown = "**required**" if field.is_required else "none"
    if default not in (None, "", []):
        shown = code(str(default).lower() if isinstance(default, bool) else str(default))
    return code(name), shown, one_line(field.description)


def _schedules(schedules: Iterable[Any]) -> str:
    rows = [
        [
            code(each.name),
            code(each.cron_schedule),
            code(each.job_name),
            one_line(each.description),
        ]
        for each in sorted(schedules, key=lambda each: each.name)
    ]
    return f"## Schedules\n\n{table(['schedule', 'cron', 'job', 'when'], rows)}\n"


def _sensors(sensors: Iterable[Any]) -> str:
    rows = [
        [
            code(each.name),
            f"{each.minimum_interval_seconds} s",
            ", ".join(code(target.job_name) for target in each.targets or ()) or "none",
            one_line(each.description),
        ]
        for each in sorted(sensors, key=lambda each: each.name)
    ]
    return f"## Sensors\n\n{table(['sensor', 'looks every', 'launches', 'what for'], rows)}\n"


def _named(jobs: Iterable[dg.JobDefinition]) -> list[dg.JobDefinition]:
    found = [job for job in jobs if not job.name.startswith("__")]
    return sorted(found, key=lambda job: job.name)


def _hours(tags: Mapping[str, str]) -> str:
    return f"{int(tags[_LONGEST]) / 3600:g} h" if _LONGEST in tags else "none"
