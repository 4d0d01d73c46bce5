"""Is everything there that a backup and a restore need? Reads only; each check stands alone.

One result, many voices: the command line prints what this module finds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from onyx_pipelines.backup import retained_sets
from onyx_pipelines.backup.host import BackupHost, open_host
from onyx_pipelines.backup.protection import examine_locks, examine_versions
from onyx_pipelines.backup.secret_hygiene import exposed_files, weak_passwords
from onyx_pipelines.core.errors import OnyxError, SettingsError, StoreError
from onyx_pipelines.core.settings import NotificationSettings, Settings
from onyx_pipelines.core.text import duration_text, second_text, size_text
from onyx_pipelines.notify.configured import channel_states
from onyx_pipelines.sources.postgres.target import PostgresTarget, postgres_errors
from onyx_pipelines.sources.qdrant.examining import describe_target
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.host_keys import optional_private_key
from onyx_pipelines.vault.keys import check_private_key
from onyx_pipelines.vault.lock import current_holder
from onyx_pipelines.vault.set_view import SetView
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.versions import purge

CLOCK_TOLERANCE_S = 30.0
# The next set is written beside the old ones before any is pruned.
_SPACE_FACTOR = 1.5
_OF_UNTRUSTED = (
    "Written before sets were signed: `onyx keys sign`. By a host that you know:"
    " `onyx keys signers found`. Else find out who can write to that store."
)
_OF_DAMAGED = (
    "`onyx verify ID --store NAME` names what is damaged. The next backup mends a second copy; of a"
    " set that is whole in no store, restore what is left or take another: `onyx catalog list`."
)


@dataclass(frozen=True)
class CheckResult:
    """One line of the answer; `remedy` is empty where all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def examine(settings: Settings) -> list[CheckResult]:
    """Every check, in the order in which a backup needs them."""
    host = open_host(settings)
    checks: list[tuple[str, Callable[[], str]]] = [
        ("state directory", lambda: _state_dir(settings.state_dir)),
        ("recipients", lambda: _recipients(host)),
        ("private key", lambda: _private_key(host)),
        ("signing key", lambda: _signing_key(host)),
        ("secret files", lambda: _secret_files(settings)),
        ("passwords", lambda: _passwords(settings)),
        *((f"source {component}", _source_check(host, component)) for component in Component),
        ("drill Qdrant", lambda: _drill_qdrant(settings)),
        *((f"store {store.name}", _store_check(store)) for store in host.stores),
        *((f"sets in {store.name}", _sets_check(host, store)) for store in host.stores),
        ("second store", lambda: _second_store(host)),
        *_protections(host),
        ("free space", lambda: _free_space(host)),
        ("clock", lambda: _clock(host)),
        ("newest set", lambda: _newest_set(host)),
        ("notifications", lambda: _notifications(settings)),
    ]
    return [_result(name, check) for name, check in checks]


def _protections(host: BackupHost) -> Iterator[tuple[str, Callable[[], str]]]:
    """Of each store that sets are copied to, which is named where there is more than one."""
    for store, place in list(zip(host.stores, host.settings.places, strict=True))[1:]:
        where = f" in {store.name}" if len(host.copies) > 1 else ""
        yield f"object lock{where}", partial(examine_locks, store, host.trust)
        yield f"versions{where}", partial(examine_versions, store, place)


def _result(name: str, check: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(name, ok=True, detail=check())
    except OnyxError as error:
        return CheckResult(name, ok=False, detail=error.what, remedy=error.remedy)


def _state_dir(directory: Path) -> str:
    holder = current_holder(directory)
    if not directory.is_dir() or not os.access(directory, os.W_OK):
        raise SettingsError(
            f"{directory} is not a directory that this user can write to.",
            remedy="Create it for this user, or set ONYX_STATE_DIR.",
        )
    return f"{directory}, in use by {holder.purpose}" if holder else f"{directory}, free"


def _recipients(host: BackupHost) -> str:
    return ", ".join(f"{each.name} ({each.id})" for each in host.recipients())


def _private_key(host: BackupHost) -> str:
    key = optional_private_key(host.settings)
    if key is None:
        return "none: this host can write backups and not open them"
    return f"{check_private_key(key, host.recipients()).name} opens new backups"


def _signing_key(host: BackupHost) -> str:
    signer = host.trust.signing_key().signer
    return f"{signer}; sets count of {', '.join(map(str, host.trust.signers.listed))}"


def _sets_check(host: BackupHost, store: Store) -> Callable[[], str]:
    def check() -> str:
        try:
            scan = Catalog([store], host.trust).scan()
        except StoreError:
            # A store that is down is one finding: its own.
            return "not looked at: the store does not answer"
        said = [
            (retained_sets.sentence_on_damaged(scan.damaged), _OF_DAMAGED),
            (retained_sets.sentence_on_untrusted(scan.untrusted), _OF_UNTRUSTED),
        ]
        if found := [each for each in said if each[0]]:
            what, remedy = (" ".join(each) for each in zip(*found, strict=True))
            raise SettingsError(what, remedy=remedy)
        return f"{len(scan.views)} are whole, and signed by a host whose sets count"

    return check


def _secret_files(settings: Settings) -> str:
    exposed = exposed_files(settings, os.environ)
    if exposed:
        raise SettingsError(
            f"Others can read or change {', '.join(exposed)}.",
            remedy="chmod 600, and change what was in it if others used this machine.",
        )
    return "for their owner only"


def _passwords(settings: Settings) -> str:
    weak = weak_passwords(settings)
    if weak:
        raise SettingsError(f"{'; '.join(weak)}.", remedy="Change it: `openssl rand -base64 24`.")
    return "none is a known one"


def _source_check(host: BackupHost, component: Component) -> Callable[[], str]:
    def check() -> str:
        source = host.sources.get(component)
        if source is None:
            return "not configured"
        return source.describe()

    return check


def _drill_qdrant(settings: Settings) -> str:
    if not settings.drill_qdrant_url:
        return "the embedded engine"
    return describe_target(
        settings.drill_qdrant_url, settings.drill_qdrant_api_key, settings.qdrant_ca_file
    )


def _store_check(store: Store) -> Callable[[], str]:
    def check() -> str:
        """Proves by a small object that it can be written, read, listed and deleted."""
        key = "doctor/probe"
        content = os.urandom(32)
        store.put(key, content)
        listed = [item.key for item in store.list("doctor/")]
        read = store.get(key)
        store.delete(key)
        purge(store, "doctor/")
        if read != content or key not in listed:
            raise SettingsError(
                f"{store.url} does not give back what was written.",
                remedy="Do not trust this store before you know why.",
            )
        return f"{store.url}: writes, reads, lists and deletes"

    return check


def _second_store(host: BackupHost) -> str:
    if not host.copies:
        raise SettingsError(
            "Backups stand on this machine only.",
            remedy="Set ONYX_OFFSITE_URL: who loses the machine loses them too.",
        )
    return ", ".join(store.url for store in host.copies)


def _free_space(host: BackupHost) -> str:
    directory = host.settings.places[0].directory
    if directory is None:
        return "the first store is no directory"
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    sets = _local_sets(host)
    needed = int(_SPACE_FACTOR * max((view.size_bytes for view in sets), default=0))
    if free < needed:
        raise SettingsError(
            f"{size_text(free)} are free in {directory}, the next set may need"
            f" {size_text(needed)}.",
            remedy="Free space, or keep fewer sets (ONYX_KEEP_DAILY and so on).",
        )
    return f"{size_text(free)} free, the next set needs about {size_text(needed)}"


def _clock(host: BackupHost) -> str:
    """Against the newest set, and PostgreSQL's clock where there is one."""
    now = datetime.now(UTC)
    future = [view for view in _local_sets(host) if view.timestamp > now]
    if future:
        raise SettingsError(
            f"Set {future[0].backup_id} is dated {second_text(future[0].timestamp)}, which"
            " is still to come: the clock was wrong then or is now.",
            remedy="Set the clock by NTP (timedatectl).",
        )
    if not host.settings.pg_host:
        return "no set is dated in the future"
    target = PostgresTarget.from_settings(host.settings)
    database = host.settings.pg_maintenance_database
    with target.connect(database) as connection, postgres_errors(target, database):
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    offset = (datetime.now(UTC) - row[0]).total_seconds() if row else 0.0
    apart = duration_text(abs(offset))
    if abs(offset) > CLOCK_TOLERANCE_S:
        raise SettingsError(
            f"This host's clock and PostgreSQL's differ by {apart}.",
            remedy="Set both by NTP (timedatectl).",
        )
    return f"within {apart} of PostgreSQL's"


def _newest_set(host: BackupHost) -> str:
    sets = _local_sets(host)
    if not sets:
        return "there is none yet"
    age = datetime.now(UTC) - sets[0].timestamp
    old = f"{duration_text(age.total_seconds())} old"
    if age > timedelta(hours=host.settings.backup_max_age_hours):
        raise SettingsError(
            f"The newest set is {old}.",
            remedy="See why the nightly backup did not run (Dagster UI → Runs).",
        )
    return f"{sets[0].backup_id}, {old}"


def _notifications(settings: NotificationSettings) -> str:
    channels = channel_states(settings)
    failing = [f"{each.name}: {each.last_error}" for each in channels if each.last_error]
    if failing:
        raise SettingsError(
            f"{'; '.join(failing)} {sum(each.pending for each in channels)} messages wait.",
            remedy="See whether its address and password are right; what waits is sent then.",
        )
    names = ", ".join(each.name for each in channels)
    return names or "no channel is configured: only the log is told what fails"


def _local_sets(host: BackupHost) -> list[SetView]:
    """A second store that is down is one finding, not one in every check."""
    return host.first_catalog.sets()
