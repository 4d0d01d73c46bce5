"""Every rehearsal of a host, each in a file of its own below the state directory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.host.durable_files import create_durably
from onyx_pipelines.readiness.rehearsals.record import Rehearsal

_FOLDER: Final = "rehearsals"
_log = logger("readiness")


class RehearsalBookError(OnyxError):
    """Rehearsals could not be read or written.

    Cause: a full disk or a missing right in ONYX_STATE_DIR.
    Remedy: free space or give this user the directory; then rehearse again.
    """

    code = "rehearsal-book"


class RehearsalBook:
    """`state_dir`: of the host whose people rehearse, not of the sandbox that is broken."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / _FOLDER

    def add(self, rehearsal: Rehearsal) -> Path:
        """Durable when it returns.

        Raises:
            RehearsalBookError: it cannot be written.
        """
        path = self._folder / f"{rehearsal.rehearsal_id}.json"
        try:
            create_durably(path, rehearsal.model_dump_json(indent=1).encode(), mode=0o640)
        except OSError as error:
            raise _error("written to", self._folder, error) from error
        return path

    def all(self) -> list[Rehearsal]:
        """The oldest first; one that cannot be understood is logged and left out.

        Raises:
            RehearsalBookError: the folder is there and cannot be read.
        """
        found = []
        try:
            for path in sorted(self._folder.glob("*.json")):
                try:
                    found.append(Rehearsal.model_validate_json(path.read_bytes()))
                except ValidationError:
                    _log.warning("a rehearsal cannot be understood", extra={"path": str(path)})
        except OSError as error:
            raise _error("read in", self._folder, error) from error
        return sorted(found, key=lambda each: each.struck_at)


def newest_of_each(rehearsals: Iterable[Rehearsal]) -> Mapping[str, Rehearsal]:
    """By scenario. `rehearsals`: the oldest first."""
    return {each.scenario: each for each in rehearsals}


def of_session(rehearsals: Sequence[Rehearsal], since: Rehearsal) -> list[Rehearsal]:
    """Those from that one on."""
    return [each for each in rehearsals if each.struck_at >= since.struck_at]


def _error(what: str, folder: Path, error: OSError) -> RehearsalBookError:
    return RehearsalBookError(
        f"Rehearsals cannot be {what} {folder}: {error.strerror}.",
        remedy="Free space there, give this user the directory, or name another ONYX_STATE_DIR.",
    )
