"""One look at one store: its sets, what looks like a set and is none, and what no manifest lists.

A listing that fails raises: what could not be seen must not look like nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import TypeAlias

from onyx_pipelines.errors import IntegrityError, NotFoundError
from onyx_pipelines.threads import thread_pool
from onyx_pipelines.vault import layout
from onyx_pipelines.vault.authenticity import distrust_of
from onyx_pipelines.vault.manifest import Manifest, parse_manifest
from onyx_pipelines.vault.marks import Mark, Marks, is_pruned, read_marks
from onyx_pipelines.vault.signing import Distrust, Signers
from onyx_pipelines.vault.stores.store import SMALL_OBJECT_LIMIT_BYTES, Store, StoredObject

_READERS = 8
_NAMED = 3


@dataclass(frozen=True)
class CatalogProblem:
    """Something in a store that should be a set, or a mark on one, and cannot be read as such."""

    store: str
    backup_id: str
    what: str


@dataclass(frozen=True)
class DamagedSet:
    """A set that is there and is not whole: its manifest cannot be read, or objects are missing.

    `written_at` is when its manifest was, by the store's clock.
    """

    store: str
    backup_id: str
    what: str
    written_at: datetime


@dataclass(frozen=True)
class UntrustedSet:
    """A manifest that does not count: what it says of itself is a stranger's word.

    `written_at` is by the store's clock.
    """

    store: str
    backup_id: str
    distrust: Distrust
    manifest: Manifest
    written_at: datetime

    @property
    def what(self) -> str:
        return self.distrust.what


@dataclass(frozen=True)
class StoredSet:
    """A set as one store has it. `missing`: objects that are not there in full, in words."""

    store: str
    manifest: Manifest
    marks: Marks
    missing: tuple[str, ...] = ()

    @property
    def backup_id(self) -> str:
        return self.manifest.backup_id

    @property
    def is_whole(self) -> bool:
        """As far as a listing tells: every object is there, and as long as it should be."""
        return not self.missing

    @property
    def verification_failed(self) -> bool:
        """Its bytes were found wrong here when they were last read."""
        return self.marks.verified is not None and not self.marks.verified.passed

    @property
    def is_sound(self) -> bool:
        """Whole, and nothing known against it."""
        return self.is_whole and not self.verification_failed

    @property
    def damage(self) -> str:
        """What is missing, in one line; empty for a whole set."""
        if self.is_whole:
            return ""
        count = sum(1 for _ in self.manifest.objects)
        more = "; …" if len(self.missing) > _NAMED else ""
        named = "; ".join(self.missing[:_NAMED])
        return f"{len(self.missing)} of {count} objects not there in full: {named}{more}"


@dataclass(frozen=True)
class Leftover:
    """Objects of one id without a manifest.

    A backup that runs, was killed, a copy that was begun, or a pruning that was interrupted:
    then `pruning_begun`. `newest_at` is by the store's clock.
    """

    keys: tuple[str, ...]
    size_bytes: int
    newest_at: datetime
    pruning_begun: bool


@dataclass(frozen=True)
class StoreScan:
    """What one store holds. `sets`: those whose signature counts, whole or not."""

    store: str
    sets: tuple[StoredSet, ...]
    untrusted: tuple[UntrustedSet, ...]
    damaged: tuple[DamagedSet, ...]
    problems: tuple[CatalogProblem, ...]
    leftovers: Mapping[str, Leftover]


# Whom is believed, and of a manifest and its marks: key, size, time of change.
_Identity: TypeAlias = tuple[Signers, tuple[tuple[str, int, datetime], ...]]
# A set, one that does not count, or what keeps its manifest from being read; and what is wrong with
# its marks.
_Read: TypeAlias = tuple[StoredSet | UntrustedSet | str | None, list[CatalogProblem]]


class ScanMemory:
    """What earlier looks have read, for whoever looks often: an object that is as long and as old
    as it was is not read again. S3 tells times in whole seconds."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[_Identity, _Read]] = {}

    def recall(self, store: str, backup_id: str, identity: _Identity) -> _Read | None:
        known = self._known.get((store, backup_id))
        return known[1] if known and known[0] == identity else None

    def keep(self, store: str, found: Mapping[str, tuple[_Identity, _Read]]) -> None:
        """Instead of all that was known of the store."""
        self._known = {key: value for key, value in self._known.items() if key[0] != store}
        self._known.update({(store, backup_id): value for backup_id, value in found.items()})


def scan_store(store: Store, signers: Signers, memory: ScanMemory | None = None) -> StoreScan:
    """List the store and read every manifest and mark in it, but for what `memory` knows.

    Args:
        signers: whose sets and marks count.

    Raises:
        StoreError: it cannot be listed, or something listed cannot be read.
    """
    memory = memory or ScanMemory()
    listed: dict[str, list[StoredObject]] = {}
    leftovers: dict[str, Leftover] = {}
    problems: list[CatalogProblem] = []
    listing = store.list(layout.SETS_PREFIX)
    for backup_id, group in groupby(listing, key=lambda each: layout.backup_id_of(each.key)):
        objects = list(group)
        keys = frozenset(each.key for each in objects)
        if backup_id is None:
            problems += _strangers(store.name, keys)
        elif layout.manifest_key(backup_id) in keys:
            listed[backup_id] = objects
        else:
            leftovers[backup_id] = _leftover(store, backup_id, objects, signers)
    identity_of: dict[str, _Identity] = {
        backup_id: (signers, _small_objects(backup_id, listed[backup_id])) for backup_id in listed
    }

    def read(backup_id: str) -> _Read:
        known = memory.recall(store.name, backup_id, identity_of[backup_id])
        return known or _read_set(store, backup_id, listed[backup_id], signers)

    with thread_pool(_READERS, "catalog") as readers:
        answers = dict(zip(listed, readers.map(read, listed), strict=True))
    memory.keep(store.name, {key: (identity_of[key], answers[key]) for key in answers})
    sets: list[StoredSet] = []
    untrusted: list[UntrustedSet] = []
    damaged: list[DamagedSet] = []
    for backup_id, (answer, of_marks) in answers.items():
        problems += of_marks
        damage = ""
        if isinstance(answer, UntrustedSet):
            untrusted.append(answer)
        elif isinstance(answer, StoredSet):
            stored = replace(answer, missing=_missing(answer.manifest, listed[backup_id]))
            sets.append(stored)
            damage = stored.damage
        elif answer:
            damage = answer
        if damage:
            written_at = _manifest_of(backup_id, listed[backup_id]).modified_at
            damaged.append(DamagedSet(store.name, backup_id, damage, written_at))
    problems += [CatalogProblem(each.store, each.backup_id, each.what) for each in damaged]
    problems += [
        CatalogProblem(
            each.store, each.backup_id, f"Set {each.backup_id} is not trusted: {each.what}"
        )
        for each in untrusted
    ]
    return StoreScan(
        store.name, tuple(sets), tuple(untrusted), tuple(damaged), tuple(problems), leftovers
    )


def _small_objects(
    backup_id: str, objects: list[StoredObject]
) -> tuple[tuple[str, int, datetime], ...]:
    """Of all that is read of a set, which its sealed objects are not."""
    small = {layout.manifest_key(backup_id), *(layout.mark_key(backup_id, mark) for mark in Mark)}
    return tuple(
        (each.key, each.size_bytes, each.modified_at) for each in objects if each.key in small
    )


def _read_set(store: Store, backup_id: str, objects: list[StoredObject], signers: Signers) -> _Read:
    key = layout.manifest_key(backup_id)
    listed = _manifest_of(backup_id, objects)
    if listed.size_bytes > SMALL_OBJECT_LIMIT_BYTES:
        return f"{key} ({store.name}) is larger than any manifest.", []
    try:
        manifest = parse_manifest(store.get(key), where=f"{key} ({store.name})")
    except NotFoundError:  # pruned since the listing
        return None, []
    except IntegrityError as error:
        return error.what, []
    distrust = distrust_of(manifest, backup_id, signers)
    if distrust is not None:
        return UntrustedSet(store.name, backup_id, distrust, manifest, listed.modified_at), []
    marks = read_marks(store, backup_id, {each.key: each.size_bytes for each in objects}, signers)
    problems = [
        CatalogProblem(
            store.name, backup_id, f"The mark {mark.value} of {backup_id} does not count: {d.what}"
        )
        for mark, d in marks.distrusted.items()
    ]
    return StoredSet(store.name, manifest, marks), problems


def _missing(manifest: Manifest, objects: list[StoredObject]) -> tuple[str, ...]:
    sizes = {each.key: each.size_bytes for each in objects}
    problems = (
        (
            record.key,
            record.size_problem(sizes.get(layout.object_key(manifest.backup_id, record.key))),
        )
        for record in manifest.objects
    )
    return tuple(f"{key} {problem}" for key, problem in problems if problem)


def _manifest_of(backup_id: str, objects: list[StoredObject]) -> StoredObject:
    key = layout.manifest_key(backup_id)
    return next(each for each in objects if each.key == key)


def _strangers(store: str, keys: frozenset[str]) -> list[CatalogProblem]:
    names = {key.split("/")[1] for key in keys if key.endswith(f"/{layout.MANIFEST_NAME}")}
    return [
        CatalogProblem(store, name, f"sets/{name} is not named by a backup id.")
        for name in sorted(names)
    ]


def _leftover(
    store: Store, backup_id: str, objects: list[StoredObject], signers: Signers
) -> Leftover:
    keys = tuple(each.key for each in objects)
    is_marked = layout.mark_key(backup_id, Mark.PRUNED) in keys
    return Leftover(
        keys=keys,
        size_bytes=sum(each.size_bytes for each in objects),
        newest_at=max(each.modified_at for each in objects),
        pruning_begun=is_marked and is_pruned(store, backup_id, signers),
    )
