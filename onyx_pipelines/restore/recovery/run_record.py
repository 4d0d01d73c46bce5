"""What an interrupted restore has done so far: the same call goes on from there."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from onyx_pipelines.restore.recovery.choice import RestoreChoice
from onyx_pipelines.restore.results import ComponentDrill
from onyx_pipelines.sources.source import Component
from onyx_pipelines.telemetry import logger
from onyx_pipelines.vault.durable_files import replace_durably

_FOLDER = "restores"
_GOES_ON_WITHIN = timedelta(days=1)
_log = logger("restore")


class RunRecord(BaseModel):
    """One restore under way. `safety_backup_id` empty: none was taken (yet).

    `ended_at`: when it came to its end with something unfinished.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    restore_id: str
    backup_id: str
    started_at: AwareDatetime
    safety_backup_id: str = ""
    finished: tuple[ComponentDrill, ...] = ()
    ended_at: AwareDatetime | None = None

    def finished_component(self, component: Component) -> ComponentDrill | None:
        return next((each for each in self.finished if each.component is component), None)


class RunRecordFile:
    """The record of one request on one host: set, choice and place make its name."""

    def __init__(self, state_dir: Path, backup_id: str, choice: RestoreChoice) -> None:
        self._backup_id = backup_id
        asked = json.dumps([backup_id, asdict(choice)], sort_keys=True, default=str)
        name = hashlib.sha256(asked.encode()).hexdigest()[:24]
        self._path = state_dir / _FOLDER / f"{name}.json"

    def earlier(self, now: datetime) -> RunRecord | None:
        """Of a call that was interrupted, or that left something unfinished within the last day:
        after that, what it had finished is no longer what there is."""
        try:
            record = RunRecord.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            _log.warning("the record of an interrupted restore cannot be read; it begins anew")
            return None
        if record.ended_at is not None and now - record.ended_at > _GOES_ON_WITHIN:
            return None
        _log.info("going on with restore %s", record.restore_id)
        return record

    def begin(self) -> RunRecord:
        """A new one, which is written."""
        record = RunRecord(
            restore_id=str(uuid.uuid4()), backup_id=self._backup_id, started_at=datetime.now(UTC)
        )
        self.put(record)
        return record

    def put(self, record: RunRecord) -> None:
        replace_durably(self._path, record.model_dump_json().encode(), mode=0o600)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def with_component(record: RunRecord, drill: ComponentDrill) -> RunRecord:
    return record.model_copy(update={"finished": (*record.finished, drill)})


def forget_all(state_dir: Path) -> Sequence[Path]:
    """Remove the records of every interrupted restore; gives those that were there."""
    found = sorted((state_dir / _FOLDER).glob("*.json"))
    for path in found:
        path.unlink(missing_ok=True)
    return found
