"""Copies a trail to the stores, in small objects that are never written again.

Best effort: a store that fails is noted beside the trail, where `onyx audit verify` finds it, and
the next copy carries what is missing.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby

from pydantic import AwareDatetime, ValidationError

from onyx_pipelines.audit.chain import Chain, Line, examine
from onyx_pipelines.audit.segments import (
    Segment,
    host_prefix,
    list_segments,
    safe_host,
    signed_segment,
)
from onyx_pipelines.audit.trail import Trail
from onyx_pipelines.core.errors import KeyFileError, OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.core.settings import KeySettings, VaultSettings
from onyx_pipelines.core.text import limit_text
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.vault.records import Record
from onyx_pipelines.vault.signing import SigningKey
from onyx_pipelines.vault.stores import open_stores
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust

COPY_PATIENCE_S = 15.0
_ANY_STORE = "all"
_FAILURE_FILE = "copy-failed-"

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
    lines, head = trail.snapshot()
    chain = examine(lines, head=head)
    for store in stores:
        try:
            _copy_to(store, safe_host(trail.host), chain, key)
        except OnyxError as error:
            _note(trail, store.name, error.what)
        else:
            _note(trail, store.name, None)


def copy_in_time(settings: VaultSettings, *, patience_s: float = COPY_PATIENCE_S) -> None:
    """`copy_audit` that neither fails nor holds up what it belongs to.

    A store that does not answer for `patience_s` is left to the next copy.
    """
    trail = Trail.of(settings)

    def copy() -> None:
        try:
            copy_audit(trail, open_stores(settings), _signing_key(settings))
        except OnyxError as error:
            _log.warning("The audit trail was not copied: %s", error)
        except Exception:  # noqa: BLE001  (a defect here must not fail what is recorded)
            _log.exception("The audit trail was not copied.")

    # A daemon thread: the process may end while a store hangs.
    thread = threading.Thread(target=copy, name="audit copy", daemon=True)
    thread.start()
    thread.join(patience_s)
    late = f"The stores did not take the copy within {limit_text(patience_s)}."
    _note(trail, _ANY_STORE, late if thread.is_alive() else None)


def copy_failures(trail: Trail) -> Mapping[str, CopyFailure]:
    """Store → why the last copy to it failed; "all" for one that was not done in time."""
    failures = {}
    for path in sorted(trail.folder.glob(f"{_FAILURE_FILE}*.json")):
        with suppress(OSError, ValidationError):  # damaged, or cleared meanwhile
            if failure := RecordFile(path, CopyFailure).read():
                failures[path.stem.removeprefix(_FAILURE_FILE)] = failure
    return failures


def _signing_key(settings: KeySettings) -> SigningKey | None:
    """One that is no good keeps nothing from being copied: that the copies are not signed is found
    by `onyx audit verify`."""
    try:
        return Trust.of(settings).signing_key_if_any()
    except KeyFileError as error:
        _log.warning("The copies of the audit trail are not signed: %s", error)
        return None


def _copy_to(store: Store, host: str, chain: Chain, key: SigningKey | None) -> None:
    held = [each for each in list_segments(store, host_prefix(host)) if each.trail == chain.trail]
    for first, lines in not_held(chain.records, held):
        segment = Segment(host, chain.trail, first, first + len(lines) - 1)
        content = b"".join(line.data + b"\n" for line in lines)
        store.put(segment.key, signed_segment(segment, content, key))


def not_held(
    records: Mapping[int, Line], segments: Sequence[Segment]
) -> Iterator[tuple[int, list[Line]]]:
    """The intact records that no segment holds, in runs without a hole, each with its first
    number."""
    numbers = sorted(records)
    held: set[int] = set()
    for each in segments:
        # Of the records, not of the numbers: a forged name may claim any.
        start, end = bisect_left(numbers, each.first), bisect_right(numbers, each.last)
        held.update(numbers[start:end])
    wanted = (number for number in numbers if number not in held)
    for _, pairs in groupby(enumerate(wanted), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in pairs]
        yield run[0], [records[number] for number in run]


def _note(trail: Trail, store: str, failure: str | None) -> None:
    """Why the copy to the store failed, beside the trail; None: it did not."""
    file = RecordFile(trail.folder / f"{_FAILURE_FILE}{store}.json", CopyFailure)
    with suppress(OSError):
        if failure is None:
            file.remove()
        else:
            _log.warning("The audit trail was not copied (store %s): %s", store, failure)
            file.write(CopyFailure(at=datetime.now(UTC), what=failure))
