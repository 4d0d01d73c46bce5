"""Which rules would see nothing of what a service really exposes.

An upgrade that renames or drops a metric breaks no query: it silently stops to find anything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.monitoring.expression import Needs, Selector, needs_of

# Prometheus adds these itself.
_OF_THE_TARGET: Final = frozenset({"job", "instance", "service"})
_SAMPLE: Final = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+\S+", re.ASCII)
_LABEL: Final = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"', re.ASCII)
_TYPE: Final = re.compile(r"^# TYPE ([a-zA-Z_:][\w:]*) (\w+)$", re.ASCII)
_OF_HISTOGRAMS: Final = ("_bucket", "_sum", "_count")

# Job → families that are its.
JOBS: Final[Mapping[str, str]] = {
    "postgresql": r"pg_.*",
    "redis": r"redis_.*",
    "nginx": r"nginx_.*",
    "node": r"node_.*",
    "cadvisor": r"container_.*|machine_.*",
    "litellm": r"litellm_.*",
    "qdrant": r"(qdrant_)?(app|collection|collections|rest|grpc|memory|snapshot)_.*",
    "blackbox": r"probe_.*",
    "alertmanager": r"alertmanager_.*",
    "prometheus": r"prometheus_.*",
}


class UnreadableMetricsError(OnyxError):
    """What a service answers is no page of metrics.

    Cause: another page was asked for, or a proxy or a login stands before it.
    Remedy: give the address that Prometheus scrapes, with its path (often `/metrics`).
    """

    code = "unreadable-metrics"


@dataclass(frozen=True)
class Exposition:
    """Args:
    series: labels of every series, by its name.
    declared: names that have a type, but no series yet.
    """

    series: Mapping[str, Collection[Mapping[str, str]]]
    declared: frozenset[str]

    def lacks(self, selector: Selector) -> str:
        """Why the selector finds nothing, in words; empty: it finds something."""
        wanted = selector.labels - _OF_THE_TARGET
        found = self.series.get(selector.name)
        if found is None:
            return "" if selector.name in self.declared else f"there is no {selector.name}"
        missing = [label for label in sorted(wanted) if not any(label in each for each in found)]
        if missing:
            return f"{selector.name} has no label {', '.join(missing)}"
        return ""


def read(text: str) -> Exposition:
    """Of a page in Prometheus' text format.

    Raises:
        UnreadableMetricsError: it has no metric, so it is another page.
    """
    series: dict[str, list[Mapping[str, str]]] = {}
    declared: set[str] = set()
    # Not splitlines(): a label's value may hold what Unicode calls a line break.
    for line in text.replace("\r\n", "\n").split("\n"):
        if sample := _SAMPLE.match(line):
            series.setdefault(sample[1], []).append(dict(_LABEL.findall(sample[2] or "")))
        elif kind := _TYPE.match(line):
            endings = _OF_HISTOGRAMS if kind[2] == "histogram" else ("",)
            declared |= {f"{kind[1]}{ending}" for ending in endings}
    if not series and not declared:
        raise UnreadableMetricsError(
            "This is no page of metrics in Prometheus' text format.",
            remedy="Give the address that Prometheus scrapes, with its path (often /metrics).",
        )
    return Exposition(series, frozenset(declared))


def job_of(name: str) -> str:
    """Whose metric it is; empty: of an application, a recording, or Prometheus' own `up`."""
    return next((job for job, names in JOBS.items() if re.fullmatch(names, name)), "")


def blind(expression: str, job: str, exposition: Exposition) -> list[str]:
    """What of this job the expression needs and would not find, in words. Empty: it sees all."""
    return _blind(needs_of(expression), job, exposition)


def _blind(needs: Needs, job: str, exposition: Exposition) -> list[str]:
    found = [
        lack
        for each in needs.selectors
        if job_of(each.name) == job and (lack := exposition.lacks(each))
    ]
    for choice in needs.choices:
        # One that needs nothing (`or vector(0)`) only hides that the other finds nothing.
        tried = [each for each in choice if any(True for _ in each.all_selectors())]
        lacks = [_blind(each, job, exposition) for each in tried]
        if lacks and all(lacks):
            found.append(" and ".join(dict.fromkeys(lack for each in lacks for lack in each)))
    return list(dict.fromkeys(found))


def jobs_seen(exposition: Exposition) -> list[str]:
    """Whose page it is, by its families."""
    return sorted({job_of(name) for name in exposition.series} - {""})


def blind_of(
    expressions: Iterable[tuple[str, str]], job: str, exposition: Exposition
) -> dict[str, list[str]]:
    """By name, of those that would see less than all. `expressions`: name and PromQL."""
    found = {name: blind(expression, job, exposition) for name, expression in expressions}
    return {name: lacks for name, lacks in found.items() if lacks}
