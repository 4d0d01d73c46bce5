"""docs/reference/metrics.md, written from what `/metrics` tells of a host with all kinds of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from onyx_pipelines.api.catalog_cache import CatalogCache
from onyx_pipelines.api.metrics_page import MetricsPage
from onyx_pipelines.backup.protection import CountedVersions
from onyx_pipelines.core.settings import load_settings
from onyx_pipelines.monitoring.metrics import AGE
from onyx_pipelines.reporting.markdown import code, table

_HEAD: Final = """# Metrics

Generated from `/metrics` by `make docs`; do not edit. The page of the [REST API](../api.md) is for
Prometheus: `ONYX_METRICS_USER` and `ONYX_METRICS_PASSWORD`, basic authentication.
Those of copies (`onyx_offsite_…`) have the label `store` where [stores are listed](../stores.md).

"""
_STORES: Final = ("local", "offsite")
_TAIL: Final = """
Worth an alert: `onyx_backup_last_success_timestamp_seconds` older than 26 hours,
`onyx_restore_drill_last_success_timestamp_seconds` older than `onyx_restore_drill_max_age_seconds`,
`onyx_backup_stores_readable` at 0, `onyx_damaged_sets`, `onyx_untrusted_sets` and
`onyx_offsite_hidden_objects` above 0, `onyx_notifications_given_up_total` that grows, and the
absence of any of them.
"""


def page() -> str:
    """The whole page."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            [code(_name(each)), each.type, _labels(each), each.documentation]
            for each in _told(Path(folder))
        ]
    return _HEAD + table(["metric", "kind", "labels", "meaning"], rows) + "\n" + _TAIL


def _told(folder: Path) -> Iterator[Metric]:
    """What a host tells that has two stores, a second one with versions, a channel, and an error
    tracker."""
    settings = load_settings(
        {
            "state_dir": str(folder / "state"),
            "stores": [{"name": each, "url": str(folder / each)} for each in _STORES],
            "smtp_host": "127.0.0.1",
            "smtp_to": "somebody@example.org",
            "sentry_dsn": "https://key@errors.example.org/1",
        }
    )
    for each in (settings.state_dir, *(folder / name for name in _STORES)):
        each.mkdir()
    counted = CountedVersions(
        at=datetime.now(UTC), versions=0, size_bytes=0, hidden_objects=0, waiting_sets=0
    )
    (settings.state_dir / "versions.json").write_text(counted.model_dump_json(), encoding="utf-8")
    catalog = CatalogCache(settings)
    age = GaugeMetricFamily(AGE.name, AGE.text)
    yield from sorted([*MetricsPage(settings, catalog).collect(), age], key=lambda each: each.name)


def _name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _labels(metric: Metric) -> str:
    names = sorted({name for sample in metric.samples for name in sample.labels})
    return ", ".join(code(each) for each in names) or "none"
