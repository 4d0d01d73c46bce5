"""The list of containers that we stopped and owe a start, on disk before any of them stops.

One process at a time holds it; the hold ends with the process, the list does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from onyx_pipelines.core.errors import AlreadyRunningError, SourceError
from onyx_pipelines.host.locks import take_lock
from onyx_pipelines.host.record_file import RecordFile


class StoppedContainer(BaseModel):
    """Enough to find it again when its id has changed. `compose` has Compose's own labels.

    `is_awaited`: what starts after it needs it healthy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    compose: dict[str, str]
    stopped_at: str
    was_paused: bool = False
    is_awaited: bool = False


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    containers: tuple[StoppedContainer, ...]


class Journal:
    """`<state directory>/journal/stopped-containers.json`; absent when nothing is owed."""

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / "journal"
        self._file = RecordFile(self._directory / "stopped-containers.json", _Content)
        self.path = self._file.path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one who stops and starts.

        Raises:
            AlreadyRunningError: another process does; its containers are stopped on purpose.
            SourceError: the state directory cannot be written.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock = take_lock(self._directory / "stopped-containers.lock")
        except OSError as error:
            raise self._unusable(error) from None
        if lock is None:
            raise AlreadyRunningError(
                "A backup or a restore of volumes is under way, and containers are stopped for it.",
                remedy="Wait until it ends; it starts them again.",
            )
        try:
            yield
        finally:
            lock.release()

    def read(self) -> tuple[StoppedContainer, ...]:
        try:
            content = self._file.read()
        except OSError as error:
            raise self._unusable(error) from None
        except ValidationError:
            raise SourceError(
                f"The journal of stopped containers {self.path} cannot be understood.",
                remedy="Start the containers that it names by hand, then delete it.",
            ) from None
        return content.containers if content else ()

    def write(self, containers: Iterable[StoppedContainer]) -> None:
        """Replace the list; durable when it returns, and never half a file."""
        owed = tuple(containers)
        try:
            if owed:
                self._file.write(_Content(format_version=1, containers=owed))
            else:
                self._file.remove()
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> SourceError:
        return SourceError(
            f"The journal of stopped containers {self.path} cannot be used ({error.strerror}).",
            remedy="Make ONYX_STATE_DIR writable for this user.",
        )
