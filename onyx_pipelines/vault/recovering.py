"""Undoes deletions and overwrites in a store that keeps versions.

A set's manifest says what its objects were: of each key the version that fits is made the current
one again. What stands before it is removed, or, where that is locked, covered by a copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from onyx_pipelines.core.errors import IntegrityError, RefusedError, StoreError
from onyx_pipelines.vault import layout
from onyx_pipelines.vault.manifest import (
    RECORD_LIMIT_BYTES,
    Manifest,
    ObjectRecord,
    parse_manifest,
)
from onyx_pipelines.vault.marks import Mark
from onyx_pipelines.vault.stores.store import (
    ObjectReader,
    Store,
    StoredVersion,
    Versions,
)

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Step:
    """A version that is to be the current one again, and what stands before it, newest first."""

    version: StoredVersion
    before: tuple[StoredVersion, ...]

    @property
    def key(self) -> str:
        return self.version.key

    @property
    def happened(self) -> str:
        return "deleted" if self.before[0].deletion else "overwritten"


@dataclass(frozen=True)
class Lost:
    """Something of which no version is what it was."""

    key: str
    problem: str


@dataclass(frozen=True)
class Recovery:
    """What is to be done, and what cannot be. Of each set the manifest comes last."""

    steps: tuple[Step, ...]
    lost: tuple[Lost, ...]

    @property
    def backup_ids(self) -> tuple[str, ...]:
        found = (layout.backup_id_of(step.key) for step in self.steps)
        return tuple(dict.fromkeys(each for each in found if each))


def plan_recovery(
    store: Store,
    *,
    trusts: Callable[[Manifest], bool],
    as_of: datetime | None = None,
    backup_id: str = "",
) -> Recovery:
    """Look for everything that is not as it was. Changes nothing.

    Args:
        trusts: whether a manifest counts (by its signature).
        as_of: believe only versions that are not younger, for when whoever deleted can also sign;
            where none of them counts, the newest one does.
        backup_id: this set alone.

    Raises:
        StoreError: the store keeps no versions, or cannot be read.
    """
    versions = store.versions
    if versions is None:
        raise StoreError(
            f"{store.url} keeps no versions: what was deleted there is gone.",
            remedy="Look in the other store.",
        )
    prefix = layout.set_prefix(backup_id) if backup_id else layout.SETS_PREFIX
    finder = _Finder(versions, trusts, as_of)
    for identity, group in groupby(
        versions.under(prefix), key=lambda each: layout.backup_id_of(each.key)
    ):
        if identity is not None:
            finder.look_at(identity, list(group))
    if not backup_id:
        finder.look_at_copies(versions.under(layout.AUDIT_PREFIX))
    return Recovery(tuple(finder.steps), tuple(finder.lost))


def recover(store: Store, step: Step) -> None:
    """Make the step's version the current one.

    Raises:
        StoreError: the store failed; repeating it is safe.
    """
    assert store.versions is not None  # noqa: S101  (planned from them)
    try:
        for each in step.before:
            store.versions.remove(each)
    except RefusedError:
        with store.versions.open(step.version) as reader, store.create(step.key) as writer:
            for chunk in _chunks(reader):
                writer.write(chunk)
    backup_id = layout.backup_id_of(step.key)
    if backup_id and step.key == layout.manifest_key(backup_id):
        pruned = layout.mark_key(backup_id, Mark.PRUNED)
        if store.stat(pruned) is not None:
            store.delete(pruned)


class _Finder:
    """Collects steps and losses."""

    def __init__(
        self, versions: Versions, trusts: Callable[[Manifest], bool], as_of: datetime | None
    ) -> None:
        self._versions = versions
        self._trusts = trusts
        self._as_of = as_of
        self.steps: list[Step] = []
        self.lost: list[Lost] = []

    def look_at(self, backup_id: str, found: Sequence[StoredVersion]) -> None:
        """One set. Where nothing was deleted or overwritten nothing is read."""
        of_key = {key: list(group) for key, group in groupby(found, key=lambda each: each.key)}
        written_once = [key for key in of_key if layout.is_written_once(key)]
        manifest_key = layout.manifest_key(backup_id)
        if manifest_key not in of_key or all(len(of_key[key]) == 1 for key in written_once):
            return
        chosen = self._manifest(backup_id, of_key[manifest_key])
        if chosen is None:
            self.lost.append(Lost(manifest_key, "no version of it is a manifest that counts"))
            return
        version, manifest = chosen
        for record in manifest.objects:
            key = layout.object_key(backup_id, record.key)
            self._object(key, record, of_key.get(key, []))
        self._add(version, of_key[manifest_key])

    def look_at_copies(self, found: Sequence[StoredVersion]) -> None:
        """Copies of the audit trail are written once: the oldest version is the right one."""
        for _, group in groupby(found, key=lambda each: each.key):
            versions = list(group)
            written = [each for each in versions if not each.deletion]
            if written:
                self._add(written[-1], versions)

    def _manifest(
        self, backup_id: str, versions: Sequence[StoredVersion]
    ) -> tuple[StoredVersion, Manifest] | None:
        """The newest that counts; else, of those before the given moment, the newest at all."""
        whole: list[tuple[StoredVersion, Manifest]] = []
        for version in self._believed(versions):
            if version.size_bytes > RECORD_LIMIT_BYTES:
                continue
            with suppress(IntegrityError):
                manifest = parse_manifest(self._read(version), where=version.key)
                if manifest.backup_id == backup_id:
                    whole.append((version, manifest))
        counting = [each for each in whole if self._trusts(each[1])]
        return next(iter(counting or (whole if self._as_of else [])), None)

    def _object(self, key: str, record: ObjectRecord, versions: Sequence[StoredVersion]) -> None:
        if len(versions) == 1 and not versions[0].deletion:
            return  # never overwritten: whether it is right is a matter of `onyx verify`
        for version in self._believed(versions):
            if version.size_bytes == record.sealed_bytes and self._digest(version) == (
                record.sealed_sha256
            ):
                self._add(version, versions)
                return
        self.lost.append(Lost(key, "no version of it has the bytes that the manifest lists"))

    def _add(self, version: StoredVersion, versions: Sequence[StoredVersion]) -> None:
        if not version.current:
            # Stores tell times in whole seconds: of those of the same one each may stand before it.
            before = (
                each
                for each in versions
                if each != version and (each.deletion or each.modified_at >= version.modified_at)
            )
            self.steps.append(Step(version, tuple(before)))

    def _believed(self, versions: Iterable[StoredVersion]) -> Iterator[StoredVersion]:
        for version in versions:
            if not version.deletion and (self._as_of is None or version.modified_at <= self._as_of):
                yield version

    def _read(self, version: StoredVersion) -> bytes:
        with self._versions.open(version) as reader:
            return b"".join(_chunks(reader))

    def _digest(self, version: StoredVersion) -> str:
        digest = hashlib.sha256()
        with self._versions.open(version) as reader:
            for chunk in _chunks(reader):
                digest.update(chunk)
        return digest.hexdigest()


def _chunks(reader: ObjectReader) -> Iterator[bytes]:
    while chunk := reader.read(_CHUNK_BYTES):
        yield chunk
