"""What another process needs to know of a server: its port and its credentials, in one file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from onyx_pipelines.core.errors import NotFoundError
from onyx_pipelines.host.durable_files import replace_durably

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


class DescriptionFile(Generic[T]):
    """A dataclass as JSON, for its owner only. `server`: its name for people."""

    def __init__(self, path: Path, kind: type[T], server: str) -> None:
        self._path = path
        self._kind = kind
        self._server = server

    def find(self) -> T | None:
        """None: it was never started."""
        try:
            return self._kind(**json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return None

    def read(self) -> T:
        """Raises NotFoundError: it was never started."""
        found = self.find()
        if found is None:
            raise NotFoundError(
                f"No {self._server} was started in {self._path.parent}.",
                remedy="Run `onyx sandbox up`.",
            )
        return found

    def write(self, description: T) -> None:
        replace_durably(self._path, json.dumps(asdict(description)).encode())
