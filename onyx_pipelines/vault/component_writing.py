"""Writing one component: each object compressed, encrypted and hashed on its way into the store.

The component's record is written when it is finished, and is what a later attempt may keep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.text import BYTES_PER_GB, count_text
from onyx_pipelines.sources.source import ByteSink, Component, ComponentReport
from onyx_pipelines.vault.binding import component_purpose, object_context
from onyx_pipelines.vault.keys import Recipient
from onyx_pipelines.vault.layout import (
    SEALED_SUFFIX,
    component_record_key,
    is_object_key,
    object_key,
)
from onyx_pipelines.vault.manifest import (
    ComponentRecord,
    ObjectRecord,
    component_checksum,
    missing_entries,
    to_bytes,
)
from onyx_pipelines.vault.sealing import SealedFigures, Sealer
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.wrapping import new_sealing_keyset, wrap

# A dump comes faster than one thread compresses it; more threads than cores keep a core from
# waiting. Reading volumes leaves no core for a second one on a small host (`make bench`).
_COMPRESSION_THREADS = {Component.POSTGRESQL: 4, Component.QDRANT: 1, Component.VOLUMES: 1}

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


class ComponentWriter:
    """The sink of one component (`sources.source.ComponentSink`); objects may overlap in time."""

    def __init__(
        self,
        store: Store,
        backup_id: str,
        component: Component,
        recipients: Sequence[Recipient],
        *,
        now: Clock,
    ) -> None:
        self._store = store
        self._backup_id = backup_id
        self._component = component
        self._now = now
        self._begun = time.monotonic()
        self._keyset = new_sealing_keyset()
        self._wrapped = wrap(
            self._keyset,
            backup_id=backup_id,
            purpose=component_purpose(component),
            recipients=recipients,
        )
        self._guard = threading.Lock()
        self._open_keys: set[str] = set()
        self._records: dict[str, ObjectRecord] = {}
        self._finished = False

    @contextmanager
    def object(
        self, path: str, *, name: str, media_type: str, compression_level: int = 1
    ) -> Iterator[ByteSink]:
        """Open an object; it exists only if the block ends without an exception.

        Raises:
            SourceError: the path is not of this component, or was used already.
            StoreError: the store's own error.
        """
        key = self._reserve(path)
        try:
            with (
                self._store.create(object_key(self._backup_id, key)) as destination,
                Sealer(
                    self._keyset,
                    object_context(self._backup_id, key),
                    destination,
                    compression_level=compression_level,
                    compression_threads=_COMPRESSION_THREADS[self._component],
                ) as sealer,
            ):
                yield sealer
                figures = sealer.finish()
            record = self._record(key, name, media_type, compression_level, figures)
            with self._guard:
                self._records[key] = record
        finally:
            with self._guard:
                self._open_keys.discard(key)

    def finish(self, report: ComponentReport, started_at: datetime) -> ComponentRecord:
        """Write the component's record, which a later attempt may keep.

        Args:
            report: what the source said; of this component.
            started_at: when the component began, timezone-aware.

        Raises:
            SourceError: the source left an object open, or reports on another component.
        """
        with self._guard:
            if self._open_keys or report.component is not self._component:
                raise SourceError(
                    f"{self._component.value} reported its end with"
                    f" {count_text(len(self._open_keys), 'object')}"
                    f" open, as {report.component.value}.",
                    remedy="This is a defect of the source; please report it.",
                )
            self._finished = True
            objects = tuple(self._records[key] for key in sorted(self._records))
        summary = {**report.summary, **missing_entries(report.missing)}
        record = ComponentRecord(
            component=self._component,
            status=report.status,
            started_at=started_at,
            completed_at=self._now(),
            duration_s=round(time.monotonic() - self._begun, 3),
            size_gb=sum(item.sealed_bytes for item in objects) / BYTES_PER_GB,
            checksum=component_checksum(objects),
            summary={key: summary[key] for key in sorted(summary)},
            versions={key: report.versions[key] for key in sorted(report.versions)},
            warnings=report.warnings,
            keyset=self._wrapped,
            objects=objects,
        )
        self._store.put(
            component_record_key(self._backup_id, self._component.value), to_bytes(record)
        )
        return record

    def _reserve(self, path: str) -> str:
        key = path + SEALED_SUFFIX
        folder = self._component.value
        problem = ""
        with self._guard:
            if self._finished:
                problem = "comes after the component's end"
            elif not is_object_key(key) or not key.startswith((f"{folder}/", f"facts/{folder}/")):
                problem = f"is not a path of {folder}"
            elif key in self._open_keys or key in self._records:
                problem = "occurs twice"
            else:
                self._open_keys.add(key)
        if problem:
            raise SourceError(
                f"The object {path!r} of {folder} {problem}.",
                remedy="This is a defect of the source; please report it.",
            )
        return key

    def _record(
        self, key: str, name: str, media_type: str, level: int, figures: SealedFigures
    ) -> ObjectRecord:
        return ObjectRecord(
            key=key,
            # A name of bytes that are no text (a file name) cannot be written as JSON.
            name=name.encode("utf-8", "backslashreplace").decode(),
            component=self._component,
            media_type=media_type,
            compression_level=level,
            plain_bytes=figures.plain_bytes,
            plain_sha256=figures.plain_sha256,
            sealed_bytes=figures.sealed_bytes,
            sealed_sha256=figures.sealed_sha256,
        )
