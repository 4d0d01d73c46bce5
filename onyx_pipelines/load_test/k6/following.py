"""Reads a unit's rows while k6 still writes them: what people see, and what may abort the test."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from onyx_pipelines.load_test.k6.rows import FIELDS

_STARTED: Final = FIELDS.index("started_ms")
_ENDED: Final = FIELDS.index("ended_ms")
_STATUS: Final = FIELDS.index("status")
_FIRST_TOKEN: Final = FIELDS.index("first_token_ms")
_LATEST: Final = 200


@dataclass(frozen=True)
class SoFar:
    """`p95_ms`: of the latest 200 answers, milliseconds; None with fewer than 20."""

    requests: int
    errors: int
    p95_ms: float | None
    first_token_p95_ms: float | None = None

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0


class RowFollower:
    """Keeps only the latest answers; the file is the record."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_to = 0
        self._rest = b""
        self._requests = 0
        self._errors = 0
        self._latest: deque[float] = deque(maxlen=_LATEST)
        self._first_tokens: deque[float] = deque(maxlen=_LATEST)

    def read(self) -> SoFar:
        """What is there by now."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read_to)
                data = file.read()
            self._read_to += len(data)
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(line)
        return SoFar(self._requests, self._errors, _p95(self._latest), _p95(self._first_tokens))

    def _take(self, line: bytes) -> None:
        fields = line.split(b"\t")
        if len(fields) != len(FIELDS):
            return
        try:
            took = float(fields[_ENDED]) - float(fields[_STARTED])
            is_fine = 200 <= int(fields[_STATUS]) < 300
        except ValueError:
            return
        self._requests += 1
        if not is_fine:
            self._errors += 1
            return
        self._latest.append(took)
        if fields[_FIRST_TOKEN]:
            self._first_tokens.append(float(fields[_FIRST_TOKEN]))


def _p95(values: deque[float]) -> float | None:
    return float(np.quantile(values, 0.95)) if len(values) >= 20 else None
