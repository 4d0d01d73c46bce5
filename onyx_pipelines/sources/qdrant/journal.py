"""Which snapshots of ours stand on the server: written before, forgotten after they are deleted.

So the next run can delete what a killed one left there, and nothing else.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class JournalEntry(BaseModel):
    """`snapshot` is "" from the request to create one until the server answered with its name;
    `present` are the names that stood there before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    collection: str
    snapshot: str
    present: tuple[str, ...]
    requested_at: float


class SnapshotJournal:
    """One file per collection in `<state_dir>/journal/qdrant/`."""

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / "journal" / "qdrant"

    def write(self, entry: JournalEntry, slot: str) -> None:
        """Durably, replacing what the slot held."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._directory / f".{slot}.tmp"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(entry.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path(slot))

    def forget(self, slot: str) -> None:
        self._path(slot).unlink(missing_ok=True)

    def read(self) -> dict[str, JournalEntry]:
        """By slot; a file that was not written whole says nothing and is dropped."""
        entries = {}
        for path in sorted(self._directory.glob("*.json")):
            try:
                entries[path.stem] = JournalEntry.model_validate(
                    json.loads(path.read_text(encoding="utf-8"))
                )
            except (ValueError, ValidationError):
                path.unlink(missing_ok=True)
        return entries

    def _path(self, slot: str) -> Path:
        return self._directory / f"{slot}.json"
