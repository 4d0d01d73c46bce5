"""The second copy: sealed bytes as they are, read back from the other store, manifest last.

A copy that was interrupted goes on where it stopped, and one that was damaged is mended.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from onyx_pipelines.core.errors import IntegrityError, NotFoundError, StoreError
from onyx_pipelines.core.progress import Meter, ProgressCallback, silent
from onyx_pipelines.vault import layout, marks
from onyx_pipelines.vault.authenticity import require_trust
from onyx_pipelines.vault.manifest import ObjectRecord, parse_manifest
from onyx_pipelines.vault.marks import Mark
from onyx_pipelines.vault.retention import RetentionPolicy, plan
from onyx_pipelines.vault.set_view import SetView
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class CopyReport:
    """What one copy did. `already_there` counts objects that an earlier attempt had copied."""

    backup_id: str
    source: str
    target: str
    copied_objects: int
    already_there: int
    copied_bytes: int
    duration_s: float


def pending(
    views: Sequence[SetView],
    policy: RetentionPolicy,
    *,
    now: datetime,
    source: str,
    target: str,
) -> list[SetView]:
    """The sets that are due for a copy, newest first: what the target lacks or has damaged, and
    would keep if it had it right.

    Args:
        policy: the target's.
    """
    sound = {view.backup_id for view in views if (c := view.copy_in(target)) and c.is_sound}
    records = (
        view.record(copy)
        for view in views
        if (copy := view.copy_in(target if view.backup_id in sound else source))
    )
    planned = plan(records, policy, now=now)
    return [
        view
        for view in sorted(views, key=lambda each: each.timestamp, reverse=True)
        if view.copy_in(source) and view.backup_id not in sound and planned.keeps(view.backup_id)
    ]


def lag(views: Sequence[SetView], *, now: datetime, source: str, target: str) -> timedelta:
    """How far the target is behind: the age of the oldest set that is newer than every copied one.
    0 where nothing waits; it grows while nothing is copied, however many sets are made.
    """
    copied = max((view.timestamp for view in views if target in view.stores), default=None)
    waiting = [
        view.timestamp
        for view in views
        if source in view.stores
        and target not in view.stores
        and (copied is None or view.timestamp > copied)
    ]
    return max(now - min(waiting), timedelta(0)) if waiting else timedelta(0)


def copy_set(
    source: Store,
    target: Store,
    backup_id: str,
    trust: Trust,
    progress: ProgressCallback = silent,
) -> CopyReport:
    """Copy a set and prove by reading it back that the target holds the same bytes.

    All that the target has already is read, and what is right, byte for byte, is not sent again.
    Run it inside `lock.set_in_use`, so that nobody prunes the set meanwhile.

    Raises:
        NotFoundError: the source has no such set.
        IntegrityError: an object of the source is not what its manifest says; nothing is listed
        _confirm_locks(target, [manifest_key])
    now = datetime.now(UTC)
    marks.record_check(target, backup_id, Mark.VERIFIED, trust, passed=True, at=now)
    """
    started = time.monotonic()
    manifest_key = layout.manifest_key(backup_id)
    manifest_bytes = source.get(manifest_key)
    manifest = parse_manifest(manifest_bytes, where=f"{manifest_key} ({source.name})")
    if manifest.backup_id != backup_id:
        raise IntegrityError(
            f"{manifest_key} in {source.url} is the manifest of set {manifest.backup_id}.",
            remedy="Somebody moved files in the store: put them back.",
        )
    require_trust(manifest, trust.signers, where=source.name)
    objects = list(manifest.objects)
    copied: list[ObjectRecord] = []
    target.delete(layout.mark_key(backup_id, Mark.PRUNED))
    for record in objects:
        if not _holds(target, backup_id, record, progress):
            _copy_object(source, target, backup_id, record, progress)
            copied.append(record)
    _confirm_locks(target, (layout.object_key(backup_id, each.key) for each in objects))
    _carry_hold(source, target, backup_id)
    if not _has(target, manifest_key, manifest_bytes):
        target.put(manifest_key, manifest_bytes)
        if not _has(target, manifest_key, manifest_bytes):
            raise _differs(target, manifest_key)
        _confirm_locks(target, [manifest_key])
    now = datetime.now(UTC)
    marks.record_check(target, backup_id, Mark.VERIFIED, trust, passed=True, at=now)
    return CopyReport(
        backup_id,
        source.name,
        target.name,
        copied_objects=len(copied),
        already_there=len(objects) - len(copied),
        copied_bytes=sum(record.sealed_bytes for record in copied),
        duration_s=time.monotonic() - started,
    )


def _confirm_locks(target: Store, keys: Iterable[str]) -> None:
    """What the store says of an upload is not believed: its locks are read back."""
    if target.locks is not None:
        for key in keys:
            target.locks.confirm(key)


def _copy_object(
    source: Store,
    target: Store,
    backup_id: str,
    record: ObjectRecord,
    progress: ProgressCallback,
) -> None:
    key = layout.object_key(backup_id, record.key)
    meter = _meter(progress, record, record.key)
    digest = hashlib.sha256()
    try:
        with source.open(key) as reader, target.create(key) as writer:
            while chunk := reader.read(_CHUNK_BYTES):
                digest.update(chunk)
                writer.write(chunk)
                meter.add(len(chunk))
            if (
                meter.done_bytes != record.sealed_bytes
                or digest.hexdigest() != record.sealed_sha256
            ):
                raise _damaged(source, key, "its bytes are not those that its manifest lists")
    except NotFoundError:
        raise _damaged(source, key, "it is missing") from None
    meter.finish()
    if not _holds(target, backup_id, record, progress):
        target.delete(key)
        raise _differs(target, key)


def _holds(store: Store, backup_id: str, record: ObjectRecord, progress: ProgressCallback) -> bool:
    """Whether the store really has these bytes: all of them are read."""
    key = layout.object_key(backup_id, record.key)
    stored = store.stat(key)
    if stored is None or stored.size_bytes != record.sealed_bytes:
        return False
    meter = _meter(progress, record, f"{record.key} (read back)")
    digest = hashlib.sha256()
    with suppress(NotFoundError), store.open(key) as reader:
        while chunk := reader.read(_CHUNK_BYTES):
            digest.update(chunk)
            meter.add(len(chunk))
    meter.finish()
    return digest.hexdigest() == record.sealed_sha256


def _has(store: Store, key: str, data: bytes) -> bool:
    try:
        return store.get(key) == data
    except NotFoundError:
        return False


def _carry_hold(source: Store, target: Store, backup_id: str) -> None:
    key = layout.mark_key(backup_id, Mark.HELD)
    with suppress(NotFoundError):
        mark = source.get(key)
        if not _has(target, key, mark):
            target.put(key, mark)


def _meter(progress: ProgressCallback, record: ObjectRecord, item: str) -> Meter:
    return Meter(progress, component=record.component, item=item, total_bytes=record.sealed_bytes)


def _damaged(source: Store, key: str, problem: str) -> IntegrityError:
    return IntegrityError(
        f"{key} in {source.url} was not copied: {problem}.",
        remedy="Run `onyx verify` on that set, and make a new backup.",
    )


def _differs(target: Store, key: str) -> StoreError:
    return StoreError(
        f"{target.url} holds other bytes of {key} than were sent.",
        remedy="Run this again; if it stays, do not trust that store.",
        transient=True,
    )
