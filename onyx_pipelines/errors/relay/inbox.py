"""What was heard and is not yet worked on: one file for each signal, durable before whoever sent it
has an answer. Any process of this host may put some."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.errors.relay.signal import Signal
from onyx_pipelines.host.durable_files import create_durably

_MOST: Final = 1000
_MODE: Final = 0o600
_log = logger("errors.relay")


class InboxError(OnyxError):
    """What the relay has heard cannot be stored.

    Cause: the relay does not run and its inbox is full, or the state directory cannot be written.
    Remedy: see whether `onyx errors relay` runs, and the free space of ONYX_STATE_DIR; trackers
        list the issue, and whoever sent it may send it again.
    Transient: an inbox that is full.
    """

    code = "error-inbox"


@dataclass(frozen=True)
class Waiting:
    """One signal and its file."""

    path: Path
    signal: Signal


class Inbox:
    """Of one host, or one of its stacks."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "errors" / "relay" / "inbox"

    def put(self, signal: Signal) -> bool:
        """Durable when it returns; false where the same one waits already.

        Raises:
            InboxError: it is full, or cannot be written.
        """
        name = hashlib.sha256(signal.key.encode()).hexdigest()[:32]
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if sum(1 for _ in self._folder.iterdir()) >= _MOST:
                raise InboxError(
                    f"{_MOST} error messages wait for the relay.",
                    remedy="See whether `onyx errors relay` runs.",
                    transient=True,
                )
            create_durably(
                self._folder / f"{name}.json", signal.model_dump_json().encode(), mode=_MODE
            )
        except FileExistsError:
            return False
        except OSError as error:
            raise InboxError(
                f"{self._folder} cannot be written ({error.strerror}).",
                remedy="Give this user that directory and free space, or set ONYX_STATE_DIR.",
            ) from error
        return True

    def waiting(self) -> list[Waiting]:
        """The oldest first. One that is damaged is told in the log, and removed.

        Raises:
            OSError: the folder cannot be read.
        """
        found = []
        for path in self._folder.glob("*.json"):
            try:
                found.append(Waiting(path, Signal.model_validate_json(path.read_bytes())))
            except ValidationError:
                _log.error("A damaged message in the relay's inbox was removed: %s", path.name)
                path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue
        return sorted(found, key=lambda each: (each.signal.at, each.signal.key))

    def remove(self, done: Iterable[Waiting]) -> None:
        """What the memory knows by now. Raises OSError."""
        for each in done:
            each.path.unlink(missing_ok=True)
