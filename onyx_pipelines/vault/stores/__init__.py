"""The stores of this host, by its settings: the local one, and a second one elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from onyx_pipelines.core.errors import SettingsError
from onyx_pipelines.core.settings import StoreSettings
from onyx_pipelines.vault.stores.local import LocalStore
from onyx_pipelines.vault.stores.store import Store, StoredObject, is_key

__all__ = [
    "LocalStore",
    "Store",
    "StoredObject",
    "open_local",
    "open_offsite",
    "open_stores",
    "store_named",
]

_FORMS = "It is s3://bucket/prefix or file:///path."


def open_stores(settings: StoreSettings) -> tuple[Store, ...]:
    """All of this host, the local one first. Touches nothing yet.

    Raises:
        SettingsError: `offsite_url` names no store.
    """
    offsite = open_offsite(settings)
    local = open_local(settings)
    return (local,) if offsite is None else (local, offsite)


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
        remedy=f"This host has: {have}. ONYX_OFFSITE_URL names the off-site store.",
    )


def open_local(settings: StoreSettings) -> LocalStore:
    """The store in `backup_dir`. Touches nothing yet."""
    return LocalStore(settings.backup_dir, name="local")


def open_offsite(settings: StoreSettings) -> Store | None:
    """The store that `offsite_url` names, or None where it is empty. Sends nothing yet.

    Raises:
        SettingsError: the URL is not one of ours, or the credentials are half given.
    """
    if not settings.offsite_url:
        return None
    url = urlsplit(settings.offsite_url)
    if url.scheme == "file" and url.netloc in ("", "localhost") and url.path.startswith("/"):
        return _second_directory(settings, Path(unquote(url.path)))
    if url.scheme == "s3" and url.hostname and not (url.query or url.fragment):
        return _bucket(settings, url.netloc, url.path.strip("/"))
    raise SettingsError("ONYX_OFFSITE_URL does not name a store.", remedy=_FORMS)


def _second_directory(settings: StoreSettings, path: Path) -> Store:
    if settings.offsite_lock_days:
        raise SettingsError(
            "A directory locks nothing, and ONYX_OFFSITE_LOCK_DAYS is set.",
            remedy="Set it to 0, or ONYX_OFFSITE_URL to a bucket with Object Lock.",
        )
    first, second = settings.backup_dir.resolve(), path.resolve()
    if first == second or first in second.parents or second in first.parents:
        raise SettingsError(
            f"ONYX_OFFSITE_URL ({path}) and ONYX_BACKUP_DIR ({settings.backup_dir}) overlap: that"
            " would be one copy, not two.",
            remedy="Give a directory on another disk, mount or host.",
        )
    return LocalStore(path, name="offsite")


def _bucket(settings: StoreSettings, bucket: str, prefix: str) -> Store:
    if "@" in bucket or ":" in bucket:
        raise SettingsError(
            "ONYX_OFFSITE_URL holds more than a bucket and a prefix.",
            remedy=f"{_FORMS} Credentials go into ONYX_S3_ACCESS_KEY_ID and"
            " ONYX_S3_SECRET_ACCESS_KEY, a port into ONYX_S3_ENDPOINT_URL.",
        )
    if "@" in urlsplit(settings.s3_endpoint_url).netloc:
        raise SettingsError(
            "ONYX_S3_ENDPOINT_URL holds credentials.",
            remedy="They go into ONYX_S3_ACCESS_KEY_ID and ONYX_S3_SECRET_ACCESS_KEY.",
        )
    if prefix and not is_key(prefix):
        raise SettingsError(
            "The prefix in ONYX_OFFSITE_URL has characters that not every store takes.",
            remedy="Use letters, digits, - and _ between single slashes.",
        )
    secret = settings.s3_secret_access_key.get_secret_value()
    if bool(secret) != bool(settings.s3_access_key_id):
        raise SettingsError(
            "Only one of ONYX_S3_ACCESS_KEY_ID and ONYX_S3_SECRET_ACCESS_KEY is set.",
            remedy="Set both, or neither to use the AWS profile or role of this host.",
        )
    # Imported here: boto3 takes a quarter of a second that a host with directories only need not
    # spend on every command.
    from onyx_pipelines.vault.stores.s3 import S3Location, S3Store

    location = S3Location(
        bucket=bucket,
        prefix=prefix,
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=secret,
    )
    return S3Store(
        location,
        name="offsite",
        stall_timeout_s=settings.stall_timeout_s,
        spool_dir=settings.state_dir if settings.state_dir.is_dir() else None,
        lock_days=settings.offsite_lock_days,
    )
