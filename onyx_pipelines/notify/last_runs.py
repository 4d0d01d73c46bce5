"""How each job last ended, in files of their own below the state directory: so that it is seen also
where Dagster does not run any more."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.notify.event import Event, Outcome

_FOLDER: Final = "last-runs"
_WELL: Final = frozenset({Outcome.SUCCEEDED, Outcome.RECOVERED})
_ENDED: Final = _WELL | {Outcome.FAILED, Outcome.CANCELLED}


class LastRun(BaseModel):
    """`succeeded_at`: of the last one that did; None: none has."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    outcome: Outcome
    succeeded_at: AwareDatetime | None = None

    @property
    def failed(self) -> bool:
        """One that a person cancelled has not."""
        return self.outcome is Outcome.FAILED


class LastRuns:
    """Of one host, or one of its stacks."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / _FOLDER

    def of(self, job: str) -> LastRun | None:
        """None: none has ended yet, or its record is damaged."""
        try:
            return self._file(job).read()
        except (OSError, ValidationError):
            return None

    def note(self, event: Event) -> None:
        """That a run of the event's job ended, where that is what it tells of.

        Raises:
            OSError: it cannot be written.
        """
        before = self.of(event.job)
        if event.outcome not in _ENDED or (before and before.at > event.occurred_at):
            return
        well_at = event.occurred_at if event.outcome in _WELL else None
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file(event.job).write(
            LastRun(
                at=event.occurred_at,
                outcome=event.outcome,
                succeeded_at=well_at or (before.succeeded_at if before else None),
            )
        )

    def _file(self, job: str) -> RecordFile[LastRun]:
        return RecordFile(self._folder / f"{job.replace('/', '_')}.json", LastRun)
