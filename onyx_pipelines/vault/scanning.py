"""One look at one store: its sets, what looks like a set and is none, and what no manifest lists.

A listing that fails raises: what could not be seen must not look like nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, islice
from typing import TypeAlias

from onyx_pipelines.core.errors import IntegrityError, NotFoundError
from onyx_pipelines.core.threads import side_by_side
from onyx_pipelines.vault import layout
from onyx_pipelines.vault.authenticity import distrust_of
from onyx_pipelines.vault.manifest import RECORD_LIMIT_BYTES, Manifest, parse_manifest
from onyx_pipelines.vault.marks import Mark, Marks, is_pruned, read_marks
from onyx_pipelines.vault.signing import Distrust, Signers
from onyx_pipelines.vault.stores.store import Store, StoredObject

_READERS = 8
_NAMED = 3
_SHOWN = 200
_PARSING = threading.Lock()


@dataclass(frozen=True)
class CatalogProblem:
    """Something in a store that should be a set, or a mark on one, and cannot be read as such."""

    store: str
    backup_id: str
    what: str


@dataclass(frozen=True)
class DamagedSet:
    """A set that is there and is not as it was: its manifest cannot be read, objects are missing
    or of another length, or its last verification failed.

    `written_at` is when its manifest was, by the store's clock; `recovery_point`: None where that
    cannot be read.
    """

    store: str
    backup_id: str
    what: str
    written_at: datetime
    recovery_point: datetime | None = None

    @property
    def moment(self) -> datetime:
        """Its recovery point, as far as that is known."""
        return self.recovery_point or self.written_at

    @property
    def sentence(self) -> str:
        """Which set, and what is wrong with it."""
        return f"Set {self.backup_id} is damaged: {self.what}"


@dataclass(frozen=True)
class UntrustedSet:
    """A manifest that does not count. `timestamp` and `host`: a stranger's word, of which no more
    is kept; `written_at` is by the store's clock.
    """

    store: str
    backup_id: str
    distrust: Distrust
    timestamp: datetime
    host: str
    written_at: datetime

    @property
    def what(self) -> str:
        """Why it does not count, in words."""
        return self.distrust.what

    @property
    def sentence(self) -> str:
        return f"Set {self.backup_id} is not trusted: {self.what}"


@dataclass(frozen=True)
class StoredSet:
    """A set as one store has it. `missing`: objects that are not there in full → in words.

    `written_at` is when its manifest was, by the store's clock.
    """

    store: str
    manifest: Manifest
    marks: Marks
    written_at: datetime
    missing: Mapping[str, str] = field(default_factory=dict)

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
        """What is wrong with it, in one line; empty for a sound set."""
        if self.is_whole:
            return "its last verification failed" if self.verification_failed else ""
        count = sum(1 for _ in self.manifest.objects)
        more = "; …" if len(self.missing) > _NAMED else ""
        words = (f"{key} {problem}" for key, problem in self.missing.items())
        named = "; ".join(islice(words, _NAMED))
        return f"{len(self.missing)} of {count} objects not there in full: {named}{more}"

    @property
    def damaged(self) -> DamagedSet | None:
        """The same as what people are told of damage; None: it is sound."""
        if self.is_sound:
            return None
        return DamagedSet(
            self.store, self.backup_id, self.damage, self.written_at, self.manifest.timestamp
        )


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
    """What one store holds. `sets`: those whose signature counts, whole or not. `oddities`: what
    else needs a person."""

    store: str
    sets: tuple[StoredSet, ...]
    untrusted: tuple[UntrustedSet, ...]
    damaged: tuple[DamagedSet, ...]
    oddities: tuple[CatalogProblem, ...]
    leftovers: Mapping[str, Leftover]


# Whom is believed, and of a manifest and its marks: key, size, time of change.
_Identity: TypeAlias = tuple[Signers, tuple[tuple[str, int, datetime], ...]]
Found: TypeAlias = StoredSet | UntrustedSet | DamagedSet
# None: it was pruned since the listing; and what is wrong with its marks.
_Read: TypeAlias = tuple[Found | None, list[CatalogProblem]]


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
    oddities: list[CatalogProblem] = []
    listing = store.list(layout.SETS_PREFIX)
    for backup_id, group in groupby(listing, key=lambda each: layout.backup_id_of(each.key)):
        objects = list(group)
        keys = frozenset(each.key for each in objects)
        if backup_id is None:
            oddities += _strangers(store.name, keys)
        elif layout.manifest_key(backup_id) in keys:
            listed[backup_id] = objects
        else:
            leftovers[backup_id] = _leftover(store, backup_id, objects, signers)
    identity_of: dict[str, _Identity] = {
        backup_id: (signers, _small_objects(backup_id, listed[backup_id])) for backup_id in listed
    }

    def read(backup_id: str) -> _Read:
        return _read_set(store, backup_id, listed[backup_id], signers)

    known = {key: memory.recall(store.name, key, identity_of[key]) for key in listed}
    unread = [key for key in listed if known[key] is None]
    fresh = dict(zip(unread, side_by_side(read, unread, _READERS, "catalog"), strict=True))
    answers = {key: known[key] or fresh[key] for key in listed}
    memory.keep(store.name, {key: (identity_of[key], answers[key]) for key in answers})
    found = [_with_sizes(answer, listed[key]) for key, (answer, _) in answers.items() if answer]
    oddities += [each for _, of_marks in answers.values() for each in of_marks]
    sets = tuple(each for each in found if isinstance(each, StoredSet))
    untrusted = tuple(each for each in found if isinstance(each, UntrustedSet))
    return StoreScan(
        store.name, sets, untrusted, tuple(_damaged(found)), tuple(oddities), leftovers
    )


def look_at(store: Store, backup_id: str, signers: Signers) -> Found | None:
    """One set as the store has it now, by its listing, its manifest and its marks; None: it has no
    manifest of it.

    Raises:
        StoreError: it cannot be listed, or something listed cannot be read.
    """
    objects = list(store.list(layout.set_prefix(backup_id)))
    if layout.manifest_key(backup_id) not in {each.key for each in objects}:
        return None
    answer, _ = _read_set(store, backup_id, objects, signers)
    return _with_sizes(answer, objects) if answer else None


def _with_sizes(found: Found, objects: list[StoredObject]) -> Found:
    if isinstance(found, StoredSet):
        return replace(found, missing=_missing(found.manifest, objects))
    return found


def _damaged(found: Iterable[Found]) -> Iterator[DamagedSet]:
    for each in found:
        damaged = each.damaged if isinstance(each, StoredSet) else each
        if isinstance(damaged, DamagedSet):
            yield damaged


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

    def unreadable(what: str) -> DamagedSet:
        return DamagedSet(store.name, backup_id, what, listed.modified_at)

    if listed.size_bytes > RECORD_LIMIT_BYTES:
        return unreadable(f"{key} ({store.name}) is larger than any manifest."), []
    try:
        data = store.get(key)
    except NotFoundError:  # pruned since the listing
        return None, []
    # One at a time: Python parses no faster side by side, and a stranger's may take much memory.
    with _PARSING:
        try:
            manifest = parse_manifest(data, where=f"{key} ({store.name})")
        except IntegrityError as error:
            return unreadable(error.what), []
        distrust = distrust_of(manifest, backup_id, signers)
        if distrust is not None:
            said = manifest.timestamp, manifest.host[:_SHOWN]
            return UntrustedSet(store.name, backup_id, distrust, *said, listed.modified_at), []
    marks = read_marks(store, backup_id, {each.key: each.size_bytes for each in objects}, signers)
    problems = [
        CatalogProblem(
            store.name, backup_id, f"The mark {mark.value} of {backup_id} does not count: {d.what}"
        )
        for mark, d in marks.distrusted.items()
    ]
    return StoredSet(store.name, manifest, marks, listed.modified_at), problems


def _missing(manifest: Manifest, objects: list[StoredObject]) -> dict[str, str]:
    sizes = {each.key: each.size_bytes for each in objects}
    problems = (
        (
            record.key,
            record.size_problem(sizes.get(layout.object_key(manifest.backup_id, record.key))),
        )
        for record in manifest.objects
    )
    return {key: problem for key, problem in problems if problem}


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
