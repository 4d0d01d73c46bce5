"""Facts about a set that change: held, verified, drilled, being pruned. One small file each.

They stand beside the set in each store, outside of its authenticated manifest: losing them loses
no data, and a mark that cannot be read counts as the careful answer.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from onyx_pipelines.errors import NotFoundError
from onyx_pipelines.vault import layout
from onyx_pipelines.vault.stores.store import Store

_LIMIT_BYTES = 64 * 1024


class Mark(StrEnum):
    """File names below `marks/`."""

    HELD = "held"
    VERIFIED = "verified"
    DRILLED = "drilled"
    PRUNED = "pruned"


class Hold(BaseModel):
    """Somebody wants the set kept."""

    model_config = ConfigDict(frozen=True)

    reason: str
    since: AwareDatetime


class Check(BaseModel):
    """The last time that a set was verified or drilled from this store."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    passed: bool
    last_passed_at: AwareDatetime | None


@dataclass(frozen=True)
class Marks:
    """All marks of one set in one store. `unreadable` names those that could not be parsed."""

    hold_reason: str | None = None
    verified: Check | None = None
    drilled: Check | None = None
    unreadable: tuple[Mark, ...] = ()


M = TypeVar("M", Hold, Check)


def read_marks(store: Store, backup_id: str, present: frozenset[str]) -> Marks:
    """The marks among the keys `present` in the store.

    Raises:
        StoreError: one that is present cannot be read.
    """
    unreadable: list[Mark] = []

    def read(kind: type[M], mark: Mark) -> M | None:
        key = layout.mark_key(backup_id, mark)
        if key not in present:
            return None
        with suppress(NotFoundError):
            try:
                return kind.model_validate_json(store.get(key, limit_bytes=_LIMIT_BYTES))
            except ValidationError:
                unreadable.append(mark)
        return None

    hold = read(Hold, Mark.HELD)
    reason = hold.reason if hold else None
    if Mark.HELD in unreadable:
        reason = "its hold mark cannot be read"
    verified, drilled = read(Check, Mark.VERIFIED), read(Check, Mark.DRILLED)
    return Marks(reason, verified, drilled, tuple(unreadable))


def put_hold(store: Store, backup_id: str, reason: str, *, now: datetime) -> None:
    _put(store, backup_id, Mark.HELD, Hold(reason=reason, since=now))


def remove_hold(store: Store, backup_id: str) -> None:
    store.delete(layout.mark_key(backup_id, Mark.HELD))


def is_held(store: Store, backup_id: str) -> bool:
    return store.stat(layout.mark_key(backup_id, Mark.HELD)) is not None


def record_check(store: Store, backup_id: str, mark: Mark, *, passed: bool, at: datetime) -> None:
    """Note the outcome of a verification or a drill; an earlier success is remembered."""
    key = layout.mark_key(backup_id, mark)
    earlier: datetime | None = None
    with suppress(NotFoundError, ValidationError):
        known = Check.model_validate_json(store.get(key, limit_bytes=_LIMIT_BYTES))
        earlier = known.last_passed_at
    check = Check(at=at, passed=passed, last_passed_at=at if passed else earlier)
    _put(store, backup_id, mark, check)


def put_pruned(store: Store, backup_id: str) -> None:
    """Say that what is left of the set is rubbish, should pruning be interrupted."""
    store.put(layout.mark_key(backup_id, Mark.PRUNED), b"{}\n")


def _put(store: Store, backup_id: str, mark: Mark, value: Hold | Check) -> None:
    data = value.model_dump_json(indent=2).encode() + b"\n"
    store.put(layout.mark_key(backup_id, mark), data)
