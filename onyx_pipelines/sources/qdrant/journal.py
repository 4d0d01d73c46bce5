"""Which snapshots of ours stand on the server: written before, forgotten after they are deleted.

So the next run can delete what a killed one left there, and nothing else.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.host.durable_files import replace_durably


class JournalError(SourceError):
    """The journal of the snapshots that stand on Qdrant's server cannot be written or read,
    which is the fault of this host and of no collection.

    Cause: a full disk or a missing right in ONYX_STATE_DIR.
    Remedy: free space or correct the rights; no snapshot is made that could not be noted.
    """

    code = "source-journal"


class JournalEntry(BaseModel):
    """One snapshot that we asked for.

    `snapshot` is "" until the server answers with its name. `present` are the names that stood
    there before; `requested_at` is a POSIX time that is at most `clock_slack_s` off the server's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    collection: str
    snapshot: str = ""
    present: tuple[str, ...]
    requested_at: float
    clock_slack_s: float


class SnapshotJournal:
    """One file per snapshot in `<state_dir>/journal/qdrant/`."""

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / "journal" / "qdrant"

    def add(self, entry: JournalEntry) -> str:
        """Durable when it returns the entry's slot.

        Raises:
            JournalError: the state directory cannot be written.
        """
        slot = uuid.uuid4().hex
        self.write(slot, entry)
        return slot

    def write(self, slot: str, entry: JournalEntry) -> None:
        """Replace the slot's entry; durable when it returns, and never half a file."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_durably(self._path(slot), entry.model_dump_json().encode())
        except OSError as error:
            raise self._unusable(error) from None

    def forget(self, slot: str) -> None:
        try:
            self._path(slot).unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error) from None

    def read(self) -> dict[str, JournalEntry]:
        """By slot.

        Raises:
            JournalError: an entry cannot be read or understood; it may name a snapshot of ours.
        """
        entries = {}
        for path in sorted(self._directory.glob("*.json")):
            try:
                entries[path.stem] = JournalEntry.model_validate_json(path.read_bytes())
            except OSError as error:
                raise self._unusable(error) from None
            except ValidationError:
                raise JournalError(
                    f"The journal of Qdrant snapshots has {path}, which cannot be understood.",
                    remedy="Delete the old snapshot that it may name on the server, then the file.",
                ) from None
        return entries

    def _path(self, slot: str) -> Path:
        return self._directory / f"{slot}.json"

    def _unusable(self, error: OSError) -> JournalError:
        return JournalError(
            f"The journal of Qdrant snapshots {self._directory} cannot be used ({error.strerror}).",
            remedy="Make ONYX_STATE_DIR writable for this user.",
        )
