"""`/metrics`: what Prometheus should know of this host, from the catalog and the notifier."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from onyx_pipelines import __version__
from onyx_pipelines.api.catalog_cache import CatalogCache, health_cache
from onyx_pipelines.api.qdrant_condition import QdrantCondition
from onyx_pipelines.backup.protection import counted_versions
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.refreshed import Refreshed
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.errors.exposition import error_metrics
from onyx_pipelines.errors.relay.pulse import relay_metrics
from onyx_pipelines.health.exposition import health_metrics, schedule_metrics
from onyx_pipelines.health.verdict import StackHealth
from onyx_pipelines.load_test.promoted_latency import promoted_p95_s
from onyx_pipelines.monitoring.metrics import DRILL_MAX_AGE
from onyx_pipelines.notify.configured import channel_states
from onyx_pipelines.vault.catalog import CatalogRow
from onyx_pipelines.vault.lock import current_holder
from onyx_pipelines.vault.scanning import DamagedSet, UntrustedSet
from onyx_pipelines.vault.set_view import SetView, is_ahead

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST


def exposition(pages: Sequence[MetricsPage]) -> bytes:
    """Of several stacks, in Prometheus's text format."""
    return generate_latest(registry_of(pages))


def registry_of(pages: Sequence[MetricsPage]) -> CollectorRegistry:
    """Of several stacks as one: each metric once, with what every stack says of it."""
    registry = CollectorRegistry()
    registry.register(_Merged(pages))
    return registry


class _Merged:
    """As prometheus_client wants it."""

    def __init__(self, pages: Sequence[MetricsPage]) -> None:
        self._pages = pages

    def describe(self) -> Iterable[Metric]:
        """Nothing is computed before it is asked for."""
        return ()

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for metric in itertools.chain.from_iterable(page.collect() for page in self._pages):
            known = merged.setdefault(metric.name, metric)
            if known is not metric:
                known.samples += metric.samples
        return merged.values()


class MetricsPage:
    """Computed when it is asked for; a store that does not answer makes its own metric 0."""

    def __init__(
        self,
        settings: Settings,
        catalog: CatalogCache,
        health: Refreshed[StackHealth] | None = None,
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._health = health or health_cache(settings, catalog)
        places = [place.name for place in settings.places]
        self._copies = places[1:]
        self._stores = places if settings.stores else ["local", "offsite"]
        self.qdrant = QdrantCondition(settings)

    def render(self) -> bytes:
        """In Prometheus's text format."""
        return exposition([self])

    def collect(self) -> Iterator[Metric]:
        """Where the stack has a name, it is a label of each."""
        stack = self._settings.stack
        for metric in self._told():
            if stack:
                metric.samples = [
                    sample._replace(labels={**sample.labels, "stack": stack})
                    for sample in metric.samples
                ]
            yield metric

    def _told(self) -> Iterator[Metric]:
        build = GaugeMetricFamily(
            "onyx_pipelines_build_info", "The version that answers.", labels=["version"]
        )
        build.add_metric([__version__], 1)
        yield build
        yield from health_metrics(self._health.value())
        yield from schedule_metrics(self._settings)
        yield GaugeMetricFamily(
            DRILL_MAX_AGE.name, DRILL_MAX_AGE.text, value=86_400 * self._settings.drill_max_age_days
        )
        yield from self._of_sets()
        yield from self._of_versions()
        yield from self._of_notifications()
        yield from error_metrics(self._settings)
        yield from relay_metrics(self._settings.state_dir)
        yield from _latency_baseline(self._settings.state_dir)
        yield from _qdrant(self.qdrant.unwell())
        holder = current_holder(self._settings.state_dir)
        yield GaugeMetricFamily(
            "onyx_exclusive_work_running",
            "1 while a backup, restore, drill or load test holds this host's lock.",
            value=float(holder is not None),
        )

    def _of_sets(self) -> Iterator[Metric]:
        try:
            listed = self._catalog.listed()
        except OnyxError:
            listed = None
        yield GaugeMetricFamily(
            "onyx_backup_stores_readable",
            "1 if every store answered; without it nothing else of backups is told.",
            value=float(listed is not None),
        )
        if listed is None:
            return
        rows = [row for row, _ in listed.sets]
        counts = GaugeMetricFamily("onyx_backup_sets", "Finished sets.", labels=["store"])
        for store in self._stores:
            counts.add_metric([store], sum(store in row.stores for row in rows))
        yield counts
        yield _faulty(
            "onyx_untrusted_sets",
            "Sets that no signer that counts has signed: somebody should look.",
            listed.untrusted,
            self._stores,
        )
        yield _faulty(
            "onyx_damaged_sets",
            "Sets that cannot be read, lack objects or failed their last verification.",
            listed.damaged,
            self._stores,
        )
        # One that a wrong clock dated ahead must not hide that none has come since.
        rows = [row for row in rows if not is_ahead(row.recovery_point, datetime.now(UTC))]
        yield _moment(
            "onyx_backup_last_success_timestamp_seconds",
            "When the newest set was taken; 0: there is none.",
            [row.timestamp for row in rows],
        )
        yield _moment(
            "onyx_backup_last_verified_timestamp_seconds",
            "When a set was last read back and found intact; 0: never.",
            [row.last_verified_at for row in rows],
        )
        yield _moment(
            "onyx_restore_drill_last_success_timestamp_seconds",
            "When a restore drill last passed; 0: never.",
            [row.last_drill_passed_at for row in rows],
        )
        yield _last_size(rows)
        yield from _of_components(rows)
        if self._settings.has_copies:
            yield self._lag(rows)
        yield _last_drill([view for _, view in listed.sets])

    def _of_versions(self) -> Iterator[Metric]:
        """As the last pruning counted them; nothing of a store that keeps none."""
        found = {store: counted_versions(self._settings, store) for store in self._copies}
        for name, text, key in (
            ("versions_counted_timestamp_seconds", "When they were counted.", "at"),
            ("noncurrent_versions", "Earlier versions that the store has.", "versions"),
            ("noncurrent_bytes", "Size of the earlier versions.", "size_bytes"),
            ("hidden_objects", "Objects hidden by delete markers.", "hidden_objects"),
            ("sets_waiting_for_locks", "Sets wanted gone, and locked.", "waiting_sets"),
        ):
            values = {store: _number(getattr(c, key)) for store, c in found.items() if c}
            if values:
                yield self._per_copy(f"onyx_offsite_{name}", text, values)

    def _lag(self, rows: Sequence[CatalogRow]) -> Metric:
        newest = max((_seconds(row.timestamp) for row in rows), default=0.0)
        return self._per_copy(
            "onyx_offsite_lag_seconds",
            "By how much the newest set in the second store is older than the newest of all; since"
            " 1970 where it has none.",
            {
                store: newest
                - max((_seconds(row.timestamp) for row in rows if store in row.stores), default=0.0)
                for store in self._copies
            },
        )

    def _per_copy(self, name: str, text: str, values: Mapping[str, float]) -> Metric:
        """With the store's name where stores are listed: there may be several."""
        named = bool(self._settings.stores)
        metric = GaugeMetricFamily(name, text, labels=["store"] if named else [])
        for store, value in values.items():
            metric.add_metric([store] if named else [], value)
        return metric

    def _of_notifications(self) -> Iterator[Metric]:
        pending = GaugeMetricFamily(
            "onyx_notifications_pending", "Messages not yet delivered.", labels=["channel"]
        )
        given_up = CounterMetricFamily(
            "onyx_notifications_given_up",
            "Messages that were never delivered.",
            labels=["channel"],
        )
        for state in channel_states(self._settings):
            pending.add_metric([state.name], state.pending)
            given_up.add_metric([state.name], state.given_up)
        yield pending
        yield given_up


def _faulty(
    name: str, text: str, found: Iterable[DamagedSet | UntrustedSet], of: Iterable[str]
) -> Metric:
    stores = [each.store for each in found]
    metric = GaugeMetricFamily(name, text, labels=["store"])
    for store in of:
        metric.add_metric([store], stores.count(store))
    return metric


def _last_size(rows: list[CatalogRow]) -> Metric:
    size = rows[0].size_bytes if rows else 0
    return GaugeMetricFamily(
        "onyx_backup_last_size_bytes", "Sealed bytes of the newest set.", value=size
    )


def _of_components(rows: Sequence[CatalogRow]) -> Iterator[Metric]:
    """Of each component in each store; nothing where no set there has it."""
    for name, text, moments in (
        ("success", "When the newest set with it was taken.", [row.timestamp for row in rows]),
        (
            "verified",
            "When a set with it was last found intact.",
            [row.last_verified_at for row in rows],
        ),
    ):
        metric = GaugeMetricFamily(
            f"onyx_backup_component_last_{name}_timestamp_seconds",
            text,
            labels=["component", "store"],
        )
        newest: dict[tuple[str, str], float] = {}
        for row, moment in zip(rows, moments, strict=True):
            for place in itertools.product(row.components, row.stores) if moment else ():
                newest[place] = max(newest.get(place, 0.0), _seconds(moment or ""))
        for (component, store), seconds in sorted(newest.items()):
            metric.add_metric([component, store], seconds)
        yield metric


def _last_drill(views: Iterable[SetView]) -> Metric:
    drills = [copy.marks.drilled for view in views for copy in view.copies if copy.marks.drilled]
    last = max(drills, key=lambda drill: drill.at, default=None)
    return GaugeMetricFamily(
        "onyx_restore_drill_failed",
        "1 where the newest restore drill failed.",
        value=float(last is not None and not last.passed),
    )


def _latency_baseline(state_dir: Path) -> Iterator[Metric]:
    figure = promoted_p95_s(state_dir)
    if figure is None:
        return
    metric = GaugeMetricFamily(
        "onyx_latency_baseline_seconds",
        "p95 of the promoted load test: what live requests are compared with.",
        labels=["service"],
    )
    metric.add_metric(["onyx"], figure)
    yield metric


def _qdrant(unwell: int | None) -> Iterator[Metric]:
    if unwell is not None:
        yield GaugeMetricFamily(
            "onyx_qdrant_collections_unwell",
            "Collections that are red or grey, or whose replicas are not all active.",
            value=float(unwell),
        )


def _number(value: int | datetime) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _moment(name: str, text: str, moments: Iterable[str | None]) -> Metric:
    seconds = [_seconds(each) for each in moments if each]
    return GaugeMetricFamily(name, text, value=max(seconds, default=0.0))
