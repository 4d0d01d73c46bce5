"""A document of ours with one value of it in turn replaced by what no writer of ours puts there."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, Final

# Each has broken some parser: moments outside of the calendar, halves of characters, numbers
# beyond a machine's, other types.
ODD_VALUES: Final[tuple[Any, ...]] = (
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1e400", "P1D", "", "\x00"),
    *("\ud800", {"\ud800": 1}, [[[]]], [], {}, None, True),
    *(10**4000, -(10**30), 2**63, 253402300800, 1e20, 1e308, float("inf"), float("nan")),
)
NO_DOCUMENTS: Final = (
    *(b"", b"null", b"[]", b"{}", b"\xff", b"NaN", b"1e999999999", b"9" * 5000),
    *(b"[" * 50_000, b'{"a":' * 10_000),
)


def odd_documents(data: bytes) -> Iterator[bytes]:
    """Every place in the JSON document `data`, with every odd value; and what is no document."""
    document = json.loads(data)
    yield from NO_DOCUMENTS
    for place in _places(document):
        for value in ODD_VALUES:
            changed = _with(document, place, value)
            if changed != document:
                yield json.dumps(changed, indent=2).encode() + b"\n"


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield (*at, key)
            yield from _places(value[key], (*at, key))


def _with(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed
