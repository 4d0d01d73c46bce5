"""The rows that the scenarios print: one line per request, fields between tabs."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from onyx_pipelines.load_test.plan import Unit
from onyx_pipelines.load_test.samples import COLUMNS

# In the order of scenarios/run.js.
FIELDS: Final = (
    *("started_ms", "ended_ms", "vu", "iteration", "request", "status", "error_code", "error"),
    *("blocked_ms", "connecting_ms", "tls_ms", "sending_ms", "waiting_ms", "receiving_ms"),
    *("bytes", "first_token_ms", "tokens", "retry_after_s", "server_timing"),
)
_FLOATS: Final = tuple(name for name in FIELDS if COLUMNS[name] == "float64")
_INTEGERS: Final = tuple(name for name in FIELDS if COLUMNS[name].startswith("int"))


@dataclass(frozen=True)
class Rows:
    """`torn`: lines that are no whole row, as a killed process leaves its last one."""

    samples: pd.DataFrame
    torn: int


def read_rows(path: Path, unit: Unit) -> Rows:
    """The samples of a unit, in the order of their completion; none if the file is not there."""
    data = path.read_bytes() if path.exists() else b""
    return parse_rows(data, unit)


def parse_rows(data: bytes, unit: Unit) -> Rows:
    """The same of bytes; a line that k6 did not finish is left out."""
    # Not splitlines(): an error's text may hold what Unicode calls a line break.
    lines = data.decode("utf-8", errors="replace").removesuffix("\n").split("\n") if data else []
    whole = [line for line in lines if line.count("\t") == len(FIELDS) - 1]
    frame = pd.read_csv(
        io.StringIO("\n".join(whole)),
        sep="\t",
        names=list(FIELDS),
        dtype=str,
        quoting=3,
        keep_default_na=False,
        engine="c",
        lineterminator="\n",
    )
    for name in (*_FLOATS, *_INTEGERS):
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    is_row = frame[["started_ms", "ended_ms", "status"]].notna().all(axis=1)
    torn = len(lines) - len(whole) + int((~is_row).sum())
    return Rows(_as_samples(frame[is_row].reset_index(drop=True), unit), torn)


def empty_samples() -> pd.DataFrame:
    """The table with no row, its columns typed."""
    return pd.DataFrame({name: _empty(kind) for name, kind in COLUMNS.items()})


def _empty(kind: str) -> pd.Series:
    return pd.Series([], dtype=kind)


def _as_samples(frame: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    frame = frame.assign(
        scenario=unit.scenario.value,
        block=unit.block.value,
        repeat=unit.repeat,
        users=unit.users,
    )
    for name in _INTEGERS:
        frame[name] = frame[name].fillna(0)
    return frame[list(COLUMNS)].astype(dict(COLUMNS))
