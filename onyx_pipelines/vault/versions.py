"""What a bucket with versions still holds of objects that are not listed: freed where it may be,
else counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from onyx_pipelines.core.errors import RefusedError
from onyx_pipelines.vault import layout
from onyx_pipelines.vault.stores.store import Store, StoredVersion, Versions


@dataclass(frozen=True)
class Remains:
    """Versions that a deletion could not free. `locked_until`: the end of the last lock on one."""

    versions: int = 0
    size_bytes: int = 0
    locked_until: datetime | None = None


NOTHING_LEFT = Remains()


@dataclass(frozen=True)
class Census:
    """Of all versions that are not listed.

    `hidden_objects` have no listed version at all: deleted by retention where the credentials may
    not free versions, or by somebody. Marks are none of them.
    """

    versions: int = 0
    size_bytes: int = 0
    hidden_objects: int = 0
    hidden_sets: int = 0


def purge(store: Store, prefix: str) -> Remains:
    """Free every version under `prefix` that is not listed.

    Raises:
        StoreError: the store failed; what it does not allow is counted instead.
    """
    if store.versions is None:
        return NOTHING_LEFT
    try:
        found = store.versions.under(prefix)
    except RefusedError:
        return NOTHING_LEFT  # `onyx doctor` says that they cannot be seen
    left: list[StoredVersion] = []
    for versions in _by_key(found):
        # Oldest deletion last: without it the version that it hides would be listed again.
        data = [each for each in versions if not each.deletion and not each.current]
        kept = [each for each in data if not _removed(store.versions, each)]
        left += kept
        for each in versions if not kept else ():
            if each.deletion:
                _removed(store.versions, each)
    return Remains(len(left), sum(each.size_bytes for each in left), _last_lock(store, left))


def census(store: Store) -> Census:
    """Count what is not listed.

    Raises:
        RefusedError: the credentials may not list versions.
    """
    if store.versions is None:
        return Census()
    unlisted: list[StoredVersion] = []
    hidden: set[str] = set()
    for versions in _by_key(store.versions.under("")):
        data = [each for each in versions if not each.deletion and not each.current]
        unlisted += data
        listed = any(each.current and not each.deletion for each in versions)
        if data and not listed and layout.is_written_once(versions[0].key):
            hidden.add(versions[0].key)
    sets = {layout.backup_id_of(key) for key in hidden if key.endswith(layout.MANIFEST_NAME)}
    return Census(len(unlisted), sum(each.size_bytes for each in unlisted), len(hidden), len(sets))


def lifecycle_rule(prefix: str, days: int) -> str:
    """What the bucket must be told to free such versions itself; locked ones wait."""
    rule = {
        "ID": "onyx-noncurrent-versions",
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "NoncurrentVersionExpiration": {"NoncurrentDays": max(days, 7)},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    return json.dumps({"Rules": [rule]})


def locked_until(store: Store, keys: Iterable[str]) -> datetime | None:
    """The end of the first lock found on one of the objects; None: nothing keeps them."""
    if store.locks is None:
        return None
    locks = (store.locks.of(key) for key in keys)
    return next((lock.until for lock in locks if lock), None)


def _last_lock(store: Store, versions: Iterable[StoredVersion]) -> datetime | None:
    if store.locks is None:
        return None
    locks = (store.locks.of(each.key, each.version) for each in versions)
    return max((lock.until for lock in locks if lock), default=None)


def _by_key(found: Iterable[StoredVersion]) -> Iterator[list[StoredVersion]]:
    for _, versions in groupby(found, key=lambda each: each.key):
        yield list(versions)


def _removed(versions: Versions, version: StoredVersion) -> bool:
    try:
        versions.remove(version)
    except RefusedError:
        return False
    return True
