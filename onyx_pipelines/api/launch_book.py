"""What the API launches, written down before it is: so that a key is answered as before, and what
an unanswered question left with Dagster is found again. One SQLite file of this host's."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from onyx_pipelines.core.errors import SettingsError

REMEMBERED_S: Final = 24 * 3600.0
_MOST: Final = 10_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS launches (
  launch_id TEXT PRIMARY KEY,
  key TEXT UNIQUE,
  request TEXT NOT NULL,
  begun_at REAL NOT NULL,
  id_field TEXT NOT NULL,
  answer TEXT NOT NULL,
  settled INTEGER NOT NULL
) STRICT
"""


@dataclass(frozen=True)
class Entry:
    """One launch.

    Args:
        key: hash of the Idempotency-Key; None without one.
        request: hash of token, method, path and body.
        begun_at: Unix seconds.
        id_field: where in the answer the run's id belongs; empty: nowhere.
        answer: without that id until it is settled.
        settled: it is known what became of it.
    """

    launch_id: str
    key: str | None
    request: str
    begun_at: float
    id_field: str
    answer: dict[str, Any]
    settled: bool = False


class LaunchBook:
    """Answers are remembered for a day, and the last ten thousand of them.

    Raises (from every method):
        SettingsError: the file cannot be used.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def now(self) -> float:
        return self._clock()

    def with_key(self, key: str) -> Entry | None:
        with self._open() as file:
            return next(_entries(file, "key = ? AND begun_at > ?", (key, self._oldest())), None)

    def unsettled(self) -> list[Entry]:
        with self._open() as file:
            return list(_entries(file, "NOT settled", ()))

    def put(self, entry: Entry) -> None:
        """New, or in the place of what was known of this launch; old ones are forgotten."""
        with self._open() as file:
            file.execute("DELETE FROM launches WHERE begun_at <= ? AND settled", (self._oldest(),))
            file.execute(
                "DELETE FROM launches WHERE settled AND launch_id NOT IN"
                " (SELECT launch_id FROM launches ORDER BY begun_at DESC LIMIT ?)",
                (_MOST,),
            )
            file.execute(
                "INSERT OR REPLACE INTO launches VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(entry.launch_id, entry.key, entry.request, entry.begun_at, entry.id_field),
                    *(json.dumps(entry.answer), int(entry.settled)),
                ),
            )

    def drop(self, launch_id: str) -> None:
        with self._open() as file:
            file.execute("DELETE FROM launches WHERE launch_id = ?", (launch_id,))

    def release_key(self, launch_id: str) -> None:
        """The key may be used for another launch; this one is still looked for."""
        with self._open() as file:
            file.execute("UPDATE launches SET key = NULL WHERE launch_id = ?", (launch_id,))

    def _oldest(self) -> float:
        return self._clock() - REMEMBERED_S

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=10)) as file, file:
                file.execute(_SCHEMA)
                yield file
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"{self._path} cannot be used ({error}).",
                remedy="Give this user ONYX_STATE_DIR, and space on its disk; the file may be"
                " deleted: it holds a day of Idempotency-Keys.",
            ) from error


def hashed(*parts: str | bytes) -> str:
    """Of parts that cannot run into each other."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _entries(
    file: sqlite3.Connection, condition: str, values: tuple[object, ...]
) -> Iterator[Entry]:
    columns = "launch_id, key, request, begun_at, id_field, answer, settled"
    # The condition is one of ours.
    query = f"SELECT {columns} FROM launches WHERE {condition}"  # noqa: S608  (both are ours)
    for row in file.execute(query, values).fetchall():
        launch_id, key, request, begun_at, id_field, answer, settled = row
        yield Entry(launch_id, key, request, begun_at, id_field, json.loads(answer), bool(settled))
