"""What the other stores protect by themselves: locks, read back from it, and versions, counted.

Pruning counts them each night and leaves the numbers for `/metrics`: a listing of all versions is
too long for every scrape.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from onyx_pipelines.core.errors import RefusedError, StoreError
from onyx_pipelines.core.settings import HostSettings, StorePlace
from onyx_pipelines.core.text import count_text, size_text
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.layout import set_prefix
from onyx_pipelines.vault.stores.store import Locks, Store, StoredObject
from onyx_pipelines.vault.trust import Trust
from onyx_pipelines.vault.versions import Census, census, lifecycle_rule

_NAMED = 3


class CountedVersions(BaseModel):
    """What the last count found in a store."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    versions: int
    size_bytes: int
    hidden_objects: int
    waiting_sets: int


def count_versions(
    store: Store, settings: HostSettings, *, waiting_sets: int, now: datetime
) -> None:
    """Count, and leave the numbers in the state directory.

    Raises:
        StoreError: the store failed. One that may not be counted is left out.
    """
    if store.versions is None:
        return
    with suppress(RefusedError):
        found = census(store)
        counted = CountedVersions(
            at=now,
            versions=found.versions,
            size_bytes=found.size_bytes,
            hidden_objects=found.hidden_objects,
            waiting_sets=waiting_sets,
        )
        replace_durably(_path(settings, store.name), counted.model_dump_json().encode())


def counted_versions(settings: HostSettings, store: str) -> CountedVersions | None:
    """What was counted last; None: nothing was."""
    try:
        return CountedVersions.model_validate_json(_path(settings, store).read_bytes())
    except (OSError, ValidationError):
        return None


def _path(settings: HostSettings, store: str) -> Path:
    return settings.state_dir / (
        "versions.json" if store == "offsite" else f"versions-{store}.json"
    )


def examine_locks(store: Store, trust: Trust) -> str:
    """Read the locks of the newest copied set back.

    Raises:
        StoreError: it is not locked as the settings ask.
    """
    if store.locks is None:
        return "no store that can lock"
    locks = store.locks
    if not locks.days:
        return "off: whoever has the store's credentials can delete every copy (35 days advised)"
    locks.check()
    views = Catalog([store], trust).sets()
    if not views:
        return f"{locks.days} days from the first copy on; there is none yet"
    newest = views[0].backup_id
    stored = [each for each in store.list(set_prefix(newest)) if locks.covers(each.key)]
    short = [each.key for each in stored if not _is_locked(locks, each)]
    if short:
        raise StoreError(
            f"{len(short)} of {len(stored)} objects of set {newest} are not locked for"
            f" {locks.days} days in {store.url}: {', '.join(short[:_NAMED])}.",
            remedy="Where the setting was raised since, the next copy has it; else see"
            " docs/object_lock.md.",
        )
    return f"the {len(stored)} objects of {newest} are locked for {locks.days} days"


def _is_locked(locks: Locks, stored: StoredObject) -> bool:
    lock = locks.of(stored.key)
    return (
        lock is not None
        and lock.final
        and lock.until >= stored.modified_at + timedelta(days=locks.days)
    )


def examine_versions(store: Store, place: StorePlace) -> str:
    """Count what is kept and not listed.

    Raises:
        StoreError: whole objects are hidden, or the credentials may not look.
    """
    if store.versions is None:
        return "no store that keeps versions"
    try:
        found = census(store)
    except RefusedError as error:
        raise StoreError(
            f"Earlier versions in {store.url} cannot be counted: {error.what}",
            remedy="Allow this key s3:ListBucketVersions, and s3:DeleteObjectVersion so that"
            " pruning frees them.",
        ) from None
    if found.hidden_objects:
        raise _hidden(store, place, found)
    return f"{found.versions} earlier versions ({size_text(found.size_bytes)}), none hidden"


def _hidden(store: Store, place: StorePlace, found: Census) -> StoreError:
    prefix = urlsplit(store.url).path.strip("/")
    rule = lifecycle_rule(f"{prefix}/" if prefix else "", place.lock_days)
    return StoreError(
        f"{count_text(found.hidden_objects, 'object')} ({count_text(found.hidden_sets, 'set')})"
        " hidden by delete markers in"
        f" {store.url}; their versions are still there, {size_text(found.size_bytes)} with all"
        " other earlier ones.",
        remedy="If nobody here deleted them: `onyx catalog recover-versions` brings them back. If"
        " retention did, and this key may not delete versions, this lifecycle rule of the bucket"
        f" frees them (it replaces other rules): {rule}",
    )
