"""Facts about a set that change: held, verified, drilled, being pruned. One small file each.

They stand beside the set in each store, signed with their set and kind. Losing them loses no data,
and a mark that is damaged, forged or unsigned counts as the careful answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from pydantic import ValidationError

from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.vault import layout
from onyx_pipelines.vault.binding import signature_context
from onyx_pipelines.vault.records import Record, UtcDatetime, canonical_json
from onyx_pipelines.vault.signing import Distrust, DistrustReason, Signature, Signers, SigningKey
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust

_LIMIT_BYTES = 64 * 1024


class Mark(StrEnum):
    """File names below `marks/`."""

    HELD = "held"
    VERIFIED = "verified"
    DRILLED = "drilled"
    PRUNED = "pruned"


class _Signed(Record):
    signature: Signature | None = None

    def body(self) -> bytes:
        return canonical_json(self.model_dump(mode="json", exclude={"signature"}))


class Hold(_Signed):
    """Somebody wants the set kept. Says no store: a copy of the set is held as the set is."""

    reason: str
    since: UtcDatetime


class Check(_Signed):
    """The last time that a set was verified or drilled from `store`."""

    store: str
    at: UtcDatetime
    passed: bool
    last_passed_at: UtcDatetime | None


class Pruning(_Signed):
    """What is left of the set in `store` is rubbish."""

    store: str


@dataclass(frozen=True)
class Marks:
    """All marks of one set in one store that count, and what is wrong with those that do not.

    A hold that does not count holds the set nevertheless, in this store alone (`hold_distrusted`).
    """

    hold_reason: str | None = None
    hold_distrusted: bool = False
    verified: Check | None = None
    drilled: Check | None = None
    distrusted: Mapping[Mark, Distrust] = field(default_factory=dict)


M = TypeVar("M", Hold, Check, Pruning)


def read_marks(store: Store, backup_id: str, sizes: Mapping[str, int], signers: Signers) -> Marks:
    """The marks among the keys in the store, whose sizes are given.

    Raises:
        StoreError: one that is present cannot be read.
    """
    distrusted: dict[Mark, Distrust] = {}

    def read(kind: type[M], mark: Mark) -> M | None:
        if layout.mark_key(backup_id, mark) not in sizes:
            return None
        if sizes[layout.mark_key(backup_id, mark)] > _LIMIT_BYTES:
            distrusted[mark] = _UNREADABLE
            return None
        found = _read(store, backup_id, kind, mark, signers)
        if isinstance(found, Distrust):
            distrusted[mark] = found
            return None
        return found

    hold = read(Hold, Mark.HELD)
    reason = hold.reason if hold else None
    if Mark.HELD in distrusted:
        reason = "its hold mark cannot be trusted, so it counts"
    verified, drilled = read(Check, Mark.VERIFIED), read(Check, Mark.DRILLED)
    return Marks(reason, Mark.HELD in distrusted, verified, drilled, distrusted)


def put_hold(store: Store, backup_id: str, reason: str, *, now: datetime, key: SigningKey) -> None:
    """Sign and store a hold, over an earlier one."""
    _put(store, backup_id, Mark.HELD, Hold(reason=reason, since=now), key)


def remove_hold(store: Store, backup_id: str) -> None:
    """Fine if there is none."""
    store.delete(layout.mark_key(backup_id, Mark.HELD))


def is_held(store: Store, backup_id: str, signers: Signers) -> bool:
    """Whether there is a hold mark that counts."""
    return isinstance(_read(store, backup_id, Hold, Mark.HELD, signers), Hold)


def has_hold(store: Store, backup_id: str) -> bool:
    """Whether there is a hold mark, of whatever worth."""
    return store.stat(layout.mark_key(backup_id, Mark.HELD)) is not None


def record_check(
    store: Store,
    backup_id: str,
    mark: Mark,
    trust: Trust,
    *,
    passed: bool,
    at: datetime,
) -> None:
    """Note the outcome of a verification or a drill; an earlier success is remembered. Nothing is
    noted where there is no signing key: an unsigned mark would not count."""
    key = trust.signing_key_if_any()
    if key is None:
        return
    known = _read(store, backup_id, Check, mark, trust.signers)
    earlier = known.last_passed_at if isinstance(known, Check) else None
    last_passed_at = at if passed else earlier
    check = Check(store=store.name, at=at, passed=passed, last_passed_at=last_passed_at)
    _put(store, backup_id, mark, check, key)


def put_pruned(store: Store, backup_id: str, key: SigningKey) -> None:
    """Say that what is left of the set is rubbish, should pruning be interrupted."""
    _put(store, backup_id, Mark.PRUNED, Pruning(store=store.name), key)


def is_pruned(store: Store, backup_id: str, signers: Signers) -> bool:
    """Whether a mark that counts says so."""
    return isinstance(_read(store, backup_id, Pruning, Mark.PRUNED, signers), Pruning)


def sign_anew(store: Store, backup_id: str, key: SigningKey) -> None:
    """Of a set that is signed only now: a hold goes on; what was checked will be checked again."""
    for mark in (Mark.VERIFIED, Mark.DRILLED):
        store.delete(layout.mark_key(backup_id, mark))
    with suppress(NotFoundError, ValidationError):
        data = store.get(layout.mark_key(backup_id, Mark.HELD), limit_bytes=_LIMIT_BYTES)
        held = Hold.model_validate_json(data)
        put_hold(store, backup_id, held.reason, now=held.since, key=key)


_UNREADABLE = Distrust(DistrustReason.FORGED, "It cannot be read as a mark.")


def _read(
    store: Store, backup_id: str, kind: type[M], mark: Mark, signers: Signers
) -> M | Distrust | None:
    """The mark; why it does not count; or None where there is none."""
    data: bytes | None = None
    with suppress(NotFoundError):
        data = store.get(layout.mark_key(backup_id, mark), limit_bytes=_LIMIT_BYTES)
    if data is None:
        return None
    try:
        found = kind.model_validate_json(data)
    except ValidationError:
        return _UNREADABLE
    place = signature_context(backup_id, mark)
    distrust = signers.distrust(found.signature, place, found.body())
    if distrust is not None:
        return distrust
    if not isinstance(found, Hold) and found.store != store.name:
        return Distrust(DistrustReason.MISPLACED, f"It is about the {found.store} store.")
    return found


def _put(
    store: Store, backup_id: str, mark: Mark, value: Hold | Check | Pruning, key: SigningKey
) -> None:
    signature = key.sign(signature_context(backup_id, mark), value.body())
    signed = value.model_copy(update={"signature": signature})
    data = signed.model_dump_json(indent=2).encode() + b"\n"
    store.put(layout.mark_key(backup_id, mark), data)
