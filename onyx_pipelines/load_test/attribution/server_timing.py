"""Reads `Server-Timing` values: one at a time, and a whole column of them at the speed of Arrow.

Both readers take the same strings and give the same numbers; the fast one falls back to the slow
one for a chunk that holds anything but plain `name;dur=number` items.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TOTAL: Final = "total"

# RFC 9110 token characters; a quoted string may hold commas and semicolons.
_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105  (no secret)
_NAME: Final = re.compile(rf"\s*({_TOKEN})\s*")
_PARAMETER: Final = re.compile(
    rf';\s*({_TOKEN})\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^";,\s]*)\s*)?', re.DOTALL
)
_SEPARATOR: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"|")*', re.DOTALL)
_CHUNK_ROWS: Final = 65_536


@dataclass(frozen=True)
class ServerTimings:
    """Durations in milliseconds by metric name, one array element per row; 0 where it has none.

    `is_present`: the row has a `total`, without which the rest says little.
    """

    durations_ms: dict[str, np.ndarray]
    is_present: np.ndarray

    def duration_ms(self, name: str) -> np.ndarray | None:
        return self.durations_ms.get(name)


def parse_server_timing(text: str) -> dict[str, float]:
    """Milliseconds by metric name. Entries without a finite `dur` of at least 0 are left out; a
    name that comes twice is summed; what is malformed is skipped, never raised."""
    durations: dict[str, float] = {}
    for item in _items(text):
        name = _NAME.match(item)
        duration = None if name is None else _duration(item[name.end() :])
        if name is not None and duration is not None:
            durations[name[1]] = durations.get(name[1], 0.0) + duration
    return durations


def read_server_timings(column: pd.Series) -> ServerTimings:
    """The whole column at once; null and empty rows are not present."""
    array = pa.array(column, from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        array = array.cast(pa.large_string())
    rows = len(array)
    durations: dict[str, np.ndarray] = {}
    is_present = np.zeros(rows, dtype=bool)
    for start in range(0, rows, _CHUNK_ROWS):
        chunk = array.slice(start, _CHUNK_ROWS)
        filled = np.flatnonzero(
            pc.fill_null(pc.greater(pc.binary_length(chunk), 0), False).to_numpy(  # noqa: FBT003  (positional in Arrow)
                zero_copy_only=False
            )
        )
        texts = chunk if len(filled) == len(chunk) else chunk.take(pa.array(filled))
        at, names, codes, values = _read_plain(texts) or _read_any(texts)
        at = start + filled[at]
        for code, name in enumerate(names):
            mine = codes == code
            target = durations.setdefault(name, np.zeros(rows))
            np.add.at(target, at[mine], values[mine])
            if name == TOTAL:
                is_present[at[mine]] = True
    return ServerTimings(durations, is_present)


_Read = tuple[np.ndarray, list[str], np.ndarray, np.ndarray]


def _read_plain(texts: pa.Array) -> _Read | None:
    """Row numbers, names, codes into the names, values; None if some item is not plain."""
    lists = pc.split_pattern(texts, ",")
    pairs = pc.split_pattern(lists.flatten(), ";dur=")
    if len(pairs) and not pc.all(pc.equal(pc.list_value_length(pairs), 2)).as_py():
        return None
    flat = pairs.flatten()
    encoded = flat.take(pa.array(np.arange(0, len(flat), 2))).dictionary_encode()
    raw_names = encoded.dictionary.to_pylist()
    matches = [_NAME.fullmatch(name) for name in raw_names]
    if not all(matches):
        return None
    try:
        values = pc.cast(flat.take(pa.array(np.arange(1, len(flat), 2))), pa.float64())
    except pa.ArrowInvalid:
        return None
    names = [match[1] for match in matches if match is not None]
    counts = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    at = np.repeat(np.arange(len(texts)), counts)
    numbers = values.to_numpy(zero_copy_only=False)
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    usable = np.isfinite(numbers) & (numbers >= 0)
    return at[usable], names, codes[usable], numbers[usable]


def _read_any(texts: pa.Array) -> _Read:
    names: dict[str, int] = {}
    at: list[int] = []
    codes: list[int] = []
    values: list[float] = []
    for row, text in enumerate(texts.to_pylist()):
        for name, value in parse_server_timing(text).items():
            at.append(row)
            codes.append(names.setdefault(name, len(names)))
            values.append(value)
    return (
        np.asarray(at, dtype=np.int64),
        list(names),
        np.asarray(codes, dtype=np.int64),
        np.asarray(values, dtype=np.float64),
    )


def _items(text: str) -> list[str]:
    """Split at commas outside of quotes."""
    items: list[str] = []
    position = 0
    while position <= len(text):
        match = _SEPARATOR.match(text, position)
        end = match.end() if match is not None else len(text)
        items.append(text[position:end])
        position = end + 1
    return items


def _duration(parameters: str) -> float | None:
    """The first `dur`, as browsers do; None if there is none or it is no duration."""
    position = 0
    while match := _PARAMETER.match(parameters, position):
        if match[1].lower() == "dur":
            return _number((match[2] or "").strip('"'))
        position = match.end()
    return None


def _number(text: str) -> float | None:
    if "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
