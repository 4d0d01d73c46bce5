"""The records of incidents: a file for each, whole or absent, changed by one process at a time.

What was heard is durable before Alertmanager has its answer. A kill between two files loses
nothing: it sends the message again, and what was written already is not changed by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from onyx_pipelines.core.errors import NotFoundError, OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.host.locks import lock
from onyx_pipelines.readiness.incidents.record import Incident

LATEST: Final = "latest"
_PATIENCE_S: Final = 10.0
_log = logger("incidents")


class IncidentError(OnyxError):
    """The record of an incident cannot be written or read.

    Cause: a full disk, a missing right in ONYX_STATE_DIR, another process that keeps its lock.
    Remedy: make room or give the right there; Alertmanager sends its message again.
    Transient: another process that keeps the lock.
    """

    code = "incident"


class IncidentBook:
    """Of one host, or one of its stacks. Making one touches nothing."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / "incidents"

    def all(self) -> list[Incident]:
        """The newest first. One that is damaged is told in the log, and left where it is.

        Raises:
            IncidentError: the folder cannot be read.
        """
        try:
            paths = sorted(self.folder.glob("*.json"), reverse=True)
            found = [_read(path) for path in paths]
        except OSError as error:
            raise self._fault("read", error) from error
        return [each for each in found if each is not None]

    def find(self, wanted: str) -> Incident:
        """By its id, the beginning of it, or `latest`: the newest that is open, else the newest.

        Raises:
            NotFoundError: there is none, or more than one.
            IncidentError: they cannot be read.
        """
        known = self.all()
        if wanted == LATEST:
            found = sorted(known, key=lambda each: not each.is_open)[:1]
        else:
            found = [each for each in known if wanted and each.id.startswith(wanted)]
        if len(found) == 1:
            return found[0]
        raise NotFoundError(
            f"There is {'more than one' if found else 'no'} incident {wanted}.",
            remedy="`onyx incident list` shows them with their ids.",
        )

    def change(self, decide: Callable[[Sequence[Incident]], Iterable[Incident]]) -> list[Incident]:
        """Write what `decide` makes of all; gives those that it wrote.

        Raises:
            IncidentError: not everything is written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with lock(self.folder / "incidents.lock", patience_s=_PATIENCE_S) as alone:
                if not alone:
                    raise IncidentError(
                        "Another process keeps the records of incidents.",
                        remedy="Ask again in a moment.",
                        transient=True,
                    )
                written = []
                for each in decide(self.all()):
                    text = each.model_dump_json(indent=1)
                    replace_durably(self.folder / f"{each.id}.json", text.encode())
                    written.append(each)
                return written
        except OSError as error:
            raise self._fault("written", error) from error

    def update(self, incident_id: str, change: Callable[[Incident], Incident]) -> Incident:
        """Change one, as it is at that moment; gives what it is then.

        Raises:
            NotFoundError: it is gone.
            IncidentError: it is not written.
        """
        after: list[Incident] = []

        def decide(known: Sequence[Incident]) -> Iterable[Incident]:
            for each in known:
                if each.id == incident_id:
                    after.append(change(each))
                    if after[-1] != each:
                        yield after[-1]

        self.change(decide)
        if not after:
            raise NotFoundError(
                f"There is no incident {incident_id}.",
                remedy="`onyx incident list` shows them with their ids.",
            )
        return after[-1]

    def _fault(self, what: str, error: OSError) -> IncidentError:
        return IncidentError(
            f"{self.folder} cannot be {what} ({error.strerror}).",
            remedy="Give this user that directory and free space, or set ONYX_STATE_DIR.",
        )


def _read(path: Path) -> Incident | None:
    try:
        return Incident.model_validate_json(path.read_bytes())
    except ValidationError:
        _log.error("The record of incident %s is damaged.", path.stem)
        return None
