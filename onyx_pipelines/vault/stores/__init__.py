"""The stores of this host, by its settings: the one that a backup writes to, and those that it is
copied to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import StorePlace, StoreSettings
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.store import Store, StoredObject, is_key

__all__ = [
    "LocalStore",
    "Store",
    "StoredObject",
    "open_stores",
    "store_named",
]

_FORMS = "It is s3://bucket/prefix, file:///path, or in the list `stores` a /path."


def open_stores(settings: StoreSettings) -> tuple[Store, ...]:
    """All of this host, the one that a backup writes to first. Touches nothing yet.

    Raises:
        SettingsError: a place is none of ours, two overlap, or credentials are half given.
    """
    _refuse_overlaps(settings.places)
    return tuple(_opened(place, settings) for place in settings.places)


def store_named(stores: Sequence[Store], name: str) -> Store:
    """One of them.

    Raises:
        SettingsError: there is no such store.
    """
    for store in stores:
        if store.name == name:
            return store
    have = ", ".join(store.name for store in stores)
    raise SettingsError(
        f"There is no {name} store.",
        remedy=f"This host has: {have}. ONYX_OFFSITE_URL names the off-site store, ONYX_STORES"
        " lists several.",
    )


def _refuse_overlaps(places: Sequence[StorePlace]) -> None:
    for one, other in combinations(places, 2):
        if one.directory is None or other.directory is None:
            continue
        first, second = one.directory.resolve(), other.directory.resolve()
        if first == second or first in second.parents or second in first.parents:
            raise SettingsError(
                f"The stores {one.name} ({one.directory}) and {other.name} ({other.directory})"
                " overlap: that would be one copy, not two.",
                remedy="Give a directory on another disk, mount or host: ONYX_OFFSITE_URL, or"
                " ONYX_STORES.",
            )


def _opened(place: StorePlace, settings: StoreSettings) -> Store:
    if place.directory is not None:
        return _directory(place, place.directory)
    url = urlsplit(place.url)
    if url.scheme == "s3" and url.hostname and not (url.query or url.fragment):
        return _bucket(place, settings, url.netloc, url.path.strip("/"))
    raise SettingsError(f"{_said(place, settings, 'url')} does not name a store.", remedy=_FORMS)


def _directory(place: StorePlace, path: Path) -> Store:
    if place.lock_days:
        raise SettingsError(
            f"A directory locks nothing, and the store {place.name} is to lock for"
            f" {place.lock_days} days.",
            remedy="Set ONYX_OFFSITE_LOCK_DAYS (or lock_days) to 0, or give a bucket with Object"
            " Lock.",
        )
    return LocalStore(path, name=place.name)


def _bucket(place: StorePlace, settings: StoreSettings, bucket: str, prefix: str) -> Store:
    if "@" in bucket or ":" in bucket:
        raise SettingsError(
            f"{_said(place, settings, 'url')} holds more than a bucket and a prefix.",
            remedy=f"{_FORMS} Credentials go into ONYX_S3_ACCESS_KEY_ID and"
            " ONYX_S3_SECRET_ACCESS_KEY, a port into ONYX_S3_ENDPOINT_URL.",
        )
    endpoint = place.endpoint_url or settings.s3_endpoint_url
    if "@" in urlsplit(endpoint).netloc:
        raise SettingsError(
            f"{_said(place, settings, 'endpoint_url')} holds credentials.",
            remedy="They go into ONYX_S3_ACCESS_KEY_ID and ONYX_S3_SECRET_ACCESS_KEY.",
        )
    if prefix and not is_key(prefix):
        raise SettingsError(
            f"The prefix in {_said(place, settings, 'url')} has characters that not every store"
            " takes.",
            remedy="Use letters, digits, - and _ between single slashes.",
        )
    access_key_id, secret = _credentials(place, settings)
    # Imported here: boto3 takes a quarter of a second that a host with directories only need not
    # spend on every command.
    from onyx_pipelines.vault.stores.s3 import S3Location, S3Store

    location = S3Location(
        bucket=bucket,
        prefix=prefix,
        endpoint_url=endpoint,
        region=place.region or settings.s3_region,
        access_key_id=access_key_id,
        secret_access_key=secret,
    )
    return S3Store(
        location,
        name=place.name,
        stall_timeout_s=settings.stall_timeout_s,
        spool_dir=settings.state_dir if settings.state_dir.is_dir() else None,
        lock_days=place.lock_days,
    )


def _credentials(place: StorePlace, settings: StoreSettings) -> tuple[str, str]:
    """Access key id and secret of a bucket; both empty: boto3 looks for them itself.

    Raises:
        SettingsError: there is only one of them, or the secret cannot be read.
    """
    access_key_id, secret = place.access_key_id, place.secret
    if not (access_key_id or secret):
        access_key_id = settings.s3_access_key_id
        secret = settings.s3_secret_access_key.get_secret_value()
    if bool(secret) == bool(access_key_id):
        return access_key_id, secret
    if settings.stores:
        raise SettingsError(
            f"Of the store {place.name} only one of access key id and secret is known.",
            remedy="Give `access_key_id` and `secret_access_key_file`, or neither.",
        )
    raise SettingsError(
        "Only one of ONYX_S3_ACCESS_KEY_ID and ONYX_S3_SECRET_ACCESS_KEY is set.",
        remedy="Set both, or neither to use the AWS profile or role of this host.",
    )


def _said(place: StorePlace, settings: StoreSettings, key: str) -> str:
    """What a person wrote that place with."""
    if settings.stores and getattr(place, key):
        return f"`{key}` of the store {place.name}"
    return "ONYX_OFFSITE_URL" if key == "url" else "ONYX_S3_ENDPOINT_URL"
