"""Damage that a test plants. What is there afterwards always differs from what was: a change that
changes nothing fails the test that planted it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Change = Callable[[bytes], bytes]


def flipped(data: bytes, position: int | None = None) -> bytes:
    """One bit of one byte, in the middle unless told where (-1: the last)."""
    changed = bytearray(data)
    changed[len(data) // 2 if position is None else position] ^= 1
    return bytes(changed)


def replaced(old: bytes, new: bytes, count: int = -1) -> Change:
    """For `plant` and `planted`."""
    return lambda data: data.replace(old, new, count)


def planted(data: bytes, change: Change) -> bytes:
    changed = change(data)
    assert changed != data, "The planted damage changes nothing."
    return changed


def plant(path: Path, change: Change) -> None:
    path.write_bytes(planted(path.read_bytes(), change))


def flip_a_byte(path: Path, position: int | None = None) -> None:
    plant(path, lambda data: flipped(data, position))
