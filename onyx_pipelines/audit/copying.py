"""Copies a trail to the stores, in small objects that are never written again.

Best effort: a store that fails is noted beside the trail, where `onyx audit verify` finds it, and
the next copy carries what is missing.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from onyx_pipelines.audit.records import parse_record
from onyx_pipelines.audit.segments import (
    Segment,
    host_prefix,
    list_segments,
    safe_host,
    signed_segment,
    uncovered,
)
from onyx_pipelines.audit.trail import Trail
from onyx_pipelines.errors import KeyFileError, OnyxError
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.settings import Settings
from onyx_pipelines.telemetry import logger
from onyx_pipelines.vault.signing import SigningKey
from onyx_pipelines.vault.stores import open_local, open_offsite
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust

COPY_PATIENCE_S = 15.0
_ANY_STORE = "all"

# How a canonical line ends; records are parsed only where they are to be copied.
_PLACE = re.compile(
    rb'"sequence":(\d{1,10}),"time":"[^"]*","trail":"([0-9a-f]{16})","version":\d+\}\Z'
)
_Lines: TypeAlias = Mapping[str, Mapping[int, Sequence[bytes]]]

_log = logger("audit")


class CopyFailure(BaseModel):
    """Why the last copy to a store failed."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    what: str


@dataclass(frozen=True)
class CopyOutcome:
    """What one copy to one store did. `failure` is "" where it did all there was to do."""

    store: str
    copied_records: int
    failure: str = ""


def audit_stores(settings: Settings) -> tuple[Store, ...]:
    """The stores that hold copies of this host's trail.

    Raises:
        SettingsError: the second store's URL is not one.
    """
    offsite = open_offsite(settings)
    return (open_local(settings), *((offsite,) if offsite else ()))


def signing_key(settings: Settings) -> SigningKey | None:
    """What the copies are signed with. One that is no good keeps nothing from being copied: that
    the copies are not signed is found by `onyx audit verify`."""
    try:
        return Trust.of(settings).signing_key_if_any()
    except KeyFileError as error:
        _log.warning("The copies of the audit trail are not signed: %s", error)
        return None


def copy_audit(trail: Trail, stores: Sequence[Store], key: SigningKey | None) -> list[CopyOutcome]:
    """Copy to each store the intact records that it has not, signed with this host's key.

    Several processes may do it at a time: segments that overlap hold the same records.

    Raises:
        AuditError: the trail itself cannot be read.
    """
    lines_of: dict[str, dict[int, list[bytes]]] = {}
    for line in trail.lines():
        if place := _PLACE.search(line.data):
            numbered = lines_of.setdefault(place[2].decode(), {})
            numbered.setdefault(int(place[1]), []).append(line.data)
    outcomes = []
    for store in stores:
        try:
            copied = _copy_to(store, trail.host, lines_of, key)
        except OnyxError as error:
            _note_failure(trail, store.name, error.what)
            outcomes.append(CopyOutcome(store.name, 0, error.what))
        else:
            with suppress(OSError):
                _failure_path(trail, store.name).unlink(missing_ok=True)
            outcomes.append(CopyOutcome(store.name, copied))
    return outcomes


def copy_in_time(settings: Settings, *, patience_s: float = COPY_PATIENCE_S) -> None:
    """`copy_audit` that neither fails nor holds up what it belongs to.

    A store that does not answer for `patience_s` is left to the next copy.
    """
    trail = Trail.of(settings)
    done = threading.Event()

    def copy() -> None:
        try:
            copy_audit(trail, audit_stores(settings), signing_key(settings))
        except OnyxError as error:
            _log.warning("The audit trail was not copied: %s", error)
        except Exception:  # noqa: BLE001  (a defect here must not fail what is recorded)
            _log.exception("The audit trail was not copied.")
        finally:
            done.set()

    # A daemon thread: the process may end while a store hangs.
    threading.Thread(target=copy, name="audit copy", daemon=True).start()
    if done.wait(patience_s):
        with suppress(OSError):
            _failure_path(trail, _ANY_STORE).unlink(missing_ok=True)
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


def _copy_to(store: Store, host: str, lines_of: _Lines, key: SigningKey | None) -> int:
    present = list_segments(store, host_prefix(host))
    copied = 0
    for trail, lines in lines_of.items():
        held = [segment for segment in present if segment.trail == trail]
        for run in _whole_runs(uncovered(held, max(lines)), lines):
            first, last = run[0][0], run[-1][0]
            segment = Segment(safe_host(host), trail, first, last)
            content = b"".join(line + b"\n" for _, line in run)
            store.put(segment.key, signed_segment(segment, content, key))
            copied += len(run)
    return copied


def _whole_runs(
    wanted: Sequence[range], lines: Mapping[int, Sequence[bytes]]
) -> list[list[tuple[int, bytes]]]:
    """Runs without a hole: sequence number and line of each intact record that is wanted."""
    runs: list[list[tuple[int, bytes]]] = []
    # Over the lines, not the numbers: a forged line may claim any.
    for number in sorted(lines):
        if not any(number in numbers for numbers in wanted):
            continue
        intact = next((line for line in lines[number] if parse_record(line)), None)
        if intact is not None:
            if not runs or runs[-1][-1][0] != number - 1:
                runs.append([])
            runs[-1].append((number, intact))
    return runs


def _note_failure(trail: Trail, store: str, what: str) -> None:
    _log.warning("The audit trail was not copied (store %s): %s", store, what)
    failure = CopyFailure(at=datetime.now(UTC), what=what)
    with suppress(OSError):
        data = failure.model_dump_json().encode() + b"\n"
        replace_durably(_failure_path(trail, store), data)


def _failure_path(trail: Trail, store: str) -> Path:
    return trail.folder / f"copy-failed-{store}.json"
