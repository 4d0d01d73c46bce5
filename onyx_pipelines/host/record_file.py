"""What is under way, in one small file of its own: whole or absent, also after a kill.

Written before a step is taken and removed when all are, so that the next process goes on or undoes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from onyx_pipelines.host.durable_files import remove_durably, replace_durably

Record = TypeVar("Record", bound=BaseModel)


class RecordFile(Generic[Record]):
    """One record as JSON; no file where nothing is under way."""

    def __init__(self, path: Path, kind: type[Record]) -> None:
        self.path = path
        self._kind = kind

    def read(self) -> Record | None:
        """None: nothing is under way.

        Raises:
            ValidationError: it cannot be understood.
            OSError: it cannot be read.
        """
        try:
            return self._kind.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return None

    def write(self, record: Record) -> None:
        """Durable when it returns. Raises OSError: what was there is still there."""
        replace_durably(self.path, record.model_dump_json(indent=1).encode())

    def remove(self) -> None:
        """It is over, for good when this returns. Raises OSError."""
        remove_durably(self.path)
