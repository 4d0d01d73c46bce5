"""A load test on disk: each unit whole or not there, so that a restart goes on where it stopped.

<state>/load-tests/<run key>/{run,result}.json
<state>/load-tests/<run key>/units/<scenario>/<unit>/{samples,telemetry}.parquet, done.json
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pandas as pd
from pydantic import AwareDatetime, BaseModel, ConfigDict

from onyx_pipelines.core.errors import NotFoundError, StoreError
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.load_test.k6.rows import empty_samples
from onyx_pipelines.load_test.plan import Profile, Unit
from onyx_pipelines.load_test.results import Alarm, Environment
from onyx_pipelines.load_test.samples import COLUMNS, TELEMETRY_COLUMNS

_FOLDER: Final = "load-tests"
_DONE: Final = "done.json"


class UnitRecord(BaseModel):
    """What one unit came to. `planned` None: bounded by time. `generator_cpu_s`: k6's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    planned: int | None
    rows: int
    torn: int
    exit_status: int
    attempts: int
    started_ms: float
    ended_ms: float
    generator_cpu_s: float
    aborted: str = ""
    rate_per_s: float | None = None
    message: str = ""

    @property
    def is_whole(self) -> bool:
        """k6 ended well, every planned request left its row, none is torn."""
        counted = self.planned is None or self.rows == self.planned
        return (
            self.exit_status in {0, 99}
            and counted
            and self.rows > 0
            and not self.torn
            and not self.aborted
        )


class RunRecord(BaseModel):
    """What a run is, written before the first request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_key: str
    label: str
    profile: Profile
    target: str
    environment: Environment
    started_at: AwareDatetime


class RunFolder:
    """One run. Everything in it is written beside and renamed."""

    def __init__(self, state_dir: Path, run_key: str) -> None:
        self.run_key = run_key
        self.path = state_dir / _FOLDER / run_key
        self.result_path = self.path / "result.json"
        self.told_path = self.path / "prometheus.parquet"

    def begin(self, record: RunRecord) -> RunRecord:
        """The record of the run: that of its first start, if it was started before.

        Raises:
            StoreError: the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            path = self.path / "run.json"
            if not path.exists():
                _write(path, record.model_dump_json(indent=1))
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written ({error.strerror}).",
                remedy="ONYX_STATE_DIR must be a directory of this user's with free space.",
            ) from None
        return self.record()

    def record(self) -> RunRecord:
        """Raises NotFoundError: there is no such run."""
        path = self.path / "run.json"
        if not path.exists():
            raise NotFoundError(
                f"There is no load test {self.run_key}.",
                remedy="`onyx load-test list` shows those that there are.",
            )
        return RunRecord.model_validate_json(path.read_bytes())

    def done(self, unit: Unit) -> UnitRecord | None:
        path = self._unit_folder(unit.name) / _DONE
        return UnitRecord.model_validate_json(path.read_bytes()) if path.exists() else None

    def units(self, units: Sequence[Unit]) -> Iterator[UnitRecord]:
        """Of those units that are done."""
        for unit in units:
            record = self.done(unit)
            if record is not None:
                yield record

    def attempt(self) -> Path:
        """An empty folder to run a unit in; what an attempt before left is gone."""
        folder = self.path / "attempt"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def finish(
        self, unit: Unit, record: UnitRecord, samples: pd.DataFrame, telemetry: pd.DataFrame
    ) -> None:
        """Put the unit in its place, in one rename."""
        new = self.path / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        samples.to_parquet(new / "samples.parquet", compression="zstd", index=False)
        telemetry.to_parquet(new / "telemetry.parquet", compression="zstd", index=False)
        _write(new / _DONE, record.model_dump_json(indent=1))
        final = self._unit_folder(unit.name)
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(final, ignore_errors=True)
        new.rename(final)
        shutil.rmtree(self.path / "attempt", ignore_errors=True)

    def forget(self, units: Sequence[Unit]) -> None:
        """Units that are to be run again."""
        for unit in units:
            shutil.rmtree(self._unit_folder(unit.name), ignore_errors=True)

    def samples(self, units: Sequence[Unit]) -> pd.DataFrame:
        """Of all units that are done, columns of `samples.COLUMNS`."""
        return _together(
            [self._unit_folder(unit.name) / "samples.parquet" for unit in units], COLUMNS
        )

    def telemetry(self, units: Sequence[Unit]) -> pd.DataFrame:
        """Of all units that are done, columns of `samples.TELEMETRY_COLUMNS`."""
        seen = _together(
            [self._unit_folder(unit.name) / "telemetry.parquet" for unit in units],
            TELEMETRY_COLUMNS,
        )
        told = _together([self.told_path], TELEMETRY_COLUMNS)
        if not len(told):
            return seen
        during = pd.Series(data=False, index=told.index)
        for record in self.units(units):
            during |= told["at_ms"].between(record.started_ms, record.ended_ms + 1000)
        return pd.concat([seen, told[during]], ignore_index=True)

    def add_told(self, telemetry: pd.DataFrame) -> None:
        """What Prometheus tells after the units; a run that went on adds to what it was told."""
        before = _together([self.told_path], TELEMETRY_COLUMNS)
        together = pd.concat([before, telemetry], ignore_index=True) if len(before) else telemetry
        beside = self.told_path.with_name(f".{self.told_path.name}.part")
        together.drop_duplicates(["at_ms", "service"], keep="last").to_parquet(
            beside, compression="zstd", index=False
        )
        beside.rename(self.told_path)

    def add_alarm(self, alarm: Alarm) -> None:
        path = self.path / "alarms.jsonl"
        with path.open("a", encoding="utf-8") as file:
            file.write(alarm.model_dump_json() + "\n")

    def alarms(self) -> tuple[Alarm, ...]:
        path = self.path / "alarms.jsonl"
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
        return tuple(Alarm.model_validate_json(line) for line in lines if line.endswith("}"))

    def keep_result(self, text: str) -> None:
        """What was found, with what it was made from; see `analysis.kept`."""
        _write(self.result_path, text)

    def _unit_folder(self, name: str) -> Path:
        return self.path / "units" / name


def run_keys(state_dir: Path) -> list[str]:
    """Every run that was begun, the newest first."""
    root = state_dir / _FOLDER
    if not root.is_dir():
        return []
    begun = [path for path in root.iterdir() if (path / "run.json").exists()]
    return [
        path.name for path in sorted(begun, key=lambda each: -(each / "run.json").stat().st_mtime)
    ]


def _together(paths: Sequence[Path], columns: dict[str, str]) -> pd.DataFrame:
    frames = [pd.read_parquet(path) for path in paths if path.exists()]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return empty_samples() if columns is COLUMNS else pd.DataFrame(columns=list(columns))
    return pd.concat(frames, ignore_index=True)


def _write(path: Path, text: str) -> None:
    replace_durably(path, text.encode() + b"\n", mode=0o644)
