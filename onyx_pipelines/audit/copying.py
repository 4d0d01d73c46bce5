"""Copies a trail to the stores, in small objects that are never written again.

Best effort: a store that fails is noted beside the trail, where `onyx audit verify` finds it, and
the next copy carries what is missing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from pydantic import AwareDatetime, ValidationError

from onyx_pipelines.audit.chain import ChainReport, Placed, examine
from onyx_pipelines.audit.segments import (
    Segment,
    host_prefix,
    list_segments,
    safe_host,
    signed_segment,
    uncovered,
)
from onyx_pipelines.audit.trail import Trail
from onyx_pipelines.core.errors import KeyFileError, OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.vault.records import Record
from onyx_pipelines.vault.signing import SigningKey
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust

COPY_PATIENCE_S = 15.0
_ANY_STORE = "all"

_log = logger("audit")


class CopyFailure(Record):
    """Why the last copy to a store failed."""

    at: AwareDatetime
    what: str


def copy_audit(trail: Trail, stores: Sequence[Store], key: SigningKey | None) -> None:
    """Copy to each store the intact records that it has not, signed with this host's key.

    Several processes may do it at a time: segments that overlap hold the same records.

    Raises:
        AuditError: the trail itself cannot be read.
    """
    report = examine(trail.lines(), head=trail.head())
    for store in stores:
        try:
            _copy_to(store, safe_host(trail.host), report, key)
        except OnyxError as error:
            _note_failure(trail, store.name, error.what)
        else:
            _forget_failure(trail, store.name)


def copy_in_time(settings: Settings, *, patience_s: float = COPY_PATIENCE_S) -> None:
    """`copy_audit` that neither fails nor holds up what it belongs to.

    A store that does not answer for `patience_s` is left to the next copy.
    """
    trail = Trail.of(settings)
    done = threading.Event()

    def copy() -> None:
        try:
            copy_audit(trail, open_stores(settings), _signing_key(settings))
        except OnyxError as error:
            _log.warning("The audit trail was not copied: %s", error)
        except Exception:  # noqa: BLE001  (a defect here must not fail what is recorded)
            _log.exception("The audit trail was not copied.")
        finally:
            done.set()

    # A daemon thread: the process may end while a store hangs.
    threading.Thread(target=copy, name="audit copy", daemon=True).start()
    if done.wait(patience_s):
        _forget_failure(trail, _ANY_STORE)
    else:
        what = f"The stores did not take the copy within {patience_s:g} s."
        _note_failure(trail, _ANY_STORE, what)


def copy_failures(trail: Trail) -> Mapping[str, CopyFailure]:
    """Store → why the last copy to it failed; "all" for one that was not done in time."""
    failures = {}
    for path in sorted(trail.folder.glob("copy-failed-*.json")):
        with suppress(OSError, ValidationError):
            name = path.stem.removeprefix("copy-failed-")
            failures[name] = CopyFailure.model_validate_json(path.read_bytes())
    return failures


def _signing_key(settings: Settings) -> SigningKey | None:
    """One that is no good keeps nothing from being copied: that the copies are not signed is found
    by `onyx audit verify`."""
    try:
        return Trust.of(settings).signing_key_if_any()
    except KeyFileError as error:
        _log.warning("The copies of the audit trail are not signed: %s", error)
        return None


def _copy_to(store: Store, host: str, report: ChainReport, key: SigningKey | None) -> None:
    held = [each for each in list_segments(store, host_prefix(host)) if each.trail == report.trail]
    for run in _not_held(report.records, held):
        first, last = run[0].record.sequence, run[-1].record.sequence
        segment = Segment(host, report.trail, first, last)
        content = b"".join(each.line.data + b"\n" for each in run)
        store.put(segment.key, signed_segment(segment, content, key))


def _not_held(records: Mapping[int, Placed], held: Sequence[Segment]) -> Iterator[list[Placed]]:
    """The intact records that no segment holds, in runs without a hole."""
    wanted = uncovered(held, max(records, default=0))
    # Over the records, not the numbers: a forged one may claim any.
    numbers = [number for number in sorted(records) if any(number in run for run in wanted)]
    for _, run in groupby(enumerate(numbers), key=lambda each: each[1] - each[0]):
        yield [records[number] for _, number in run]


def _note_failure(trail: Trail, store: str, what: str) -> None:
    _log.warning("The audit trail was not copied (store %s): %s", store, what)
    failure = CopyFailure(at=datetime.now(UTC), what=what)
    with suppress(OSError):
        replace_durably(_failure_path(trail, store), failure.model_dump_json().encode() + b"\n")


def _forget_failure(trail: Trail, store: str) -> None:
    with suppress(OSError):
        _failure_path(trail, store).unlink(missing_ok=True)


def _failure_path(trail: Trail, store: str) -> Path:
    return trail.folder / f"copy-failed-{store}.json"
