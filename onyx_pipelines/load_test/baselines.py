"""Baselines: promoted by a person, never replaced, one line of them per environment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from onyx_pipelines.core.errors import NotFoundError, SettingsError
from onyx_pipelines.core.text import day_text, stamp_text
from onyx_pipelines.host.durable_files import create_durably
from onyx_pipelines.load_test.analysis.comparison import Series
from onyx_pipelines.load_test.promoted_latency import BASELINE_ID, FOLDER
from onyx_pipelines.load_test.report.sentences import broken
from onyx_pipelines.load_test.results import LoadTestResult, LoadVerdict, SweepStep

_FEWEST_REPEATS: Final = 3


class Baseline(BaseModel):
    """What later runs are compared with. `promoted_by`: a person's name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    baseline_id: str
    run_key: str
    fingerprint: str
    promoted_at: AwareDatetime
    promoted_by: str
    reason: str = ""
    series: Mapping[str, Series]
    sweep: tuple[SweepStep, ...]


class BaselineStore:
    """In the state directory of a host."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / FOLDER

    def all(self) -> list[Baseline]:
        """Every promoted baseline, the newest first; empty if nobody has promoted one."""
        if not self._folder.is_dir():
            return []
        paths = (path for path in self._folder.glob("*.json") if BASELINE_ID.fullmatch(path.stem))
        found = (Baseline.model_validate_json(path.read_bytes()) for path in paths)
        return sorted(found, key=lambda each: each.promoted_at, reverse=True)

    def current(self, fingerprint: str) -> Baseline | None:
        """The last that was promoted for this environment."""
        return next((each for each in self.all() if each.fingerprint == fingerprint), None)

    def promote(
        self,
        result: LoadTestResult,
        series: Mapping[str, Series],
        *,
        by: str,
        reason: str = "",
        now: datetime | None = None,
    ) -> Baseline:
        """Make a run the baseline of its environment.

        Raises:
            SettingsError: the run proves nothing, has too few repeats, or is the baseline already.
        """
        _require_fit(result, series)
        current = self.current(result.environment.fingerprint)
        if current is not None and current.run_key == result.run_id:
            raise SettingsError(
                f"{result.run_id} is the baseline already, since {day_text(current.promoted_at)}.",
                remedy="Promote another run.",
            )
        at = now or datetime.now(UTC)
        baseline = Baseline(
            baseline_id=f"{stamp_text(at)}-{result.run_id}",
            run_key=result.run_id,
            fingerprint=result.environment.fingerprint,
            promoted_at=at,
            promoted_by=by,
            reason=reason,
            series=series,
            sweep=result.sweep,
        )
        text = baseline.model_dump_json(indent=1) + "\n"
        create_durably(self._folder / f"{baseline.baseline_id}.json", text.encode(), mode=0o444)
        return baseline

    def named(self, baseline_id: str) -> Baseline:
        """Raises NotFoundError: there is none."""
        found = next((each for each in self.all() if each.baseline_id == baseline_id), None)
        if found is None:
            raise NotFoundError(
                f"There is no baseline {baseline_id}.",
                remedy="`onyx load-test baseline list` shows those that there are.",
            )
        return found


def _require_fit(result: LoadTestResult, series: Mapping[str, Series]) -> None:
    if result.verdict is LoadVerdict.INVALID:
        raise SettingsError(
            f"{result.run_id} is invalid: {broken(result.validity)}.",
            remedy="Promote a valid run; a baseline decides about all later ones.",
        )
    gating = [each for each in series.values() if each.is_gating]
    fewest = min((len(each.values) for each in gating), default=0)
    if fewest < _FEWEST_REPEATS:
        raise SettingsError(
            f"{result.run_id} has {fewest} repeats; a baseline takes at least {_FEWEST_REPEATS}.",
            remedy="Run the load test with more repeats (--repeats 5).",
        )
