"""What a real restore did: the record that the command line, the job and the audit trail show."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict

from onyx_pipelines.restore.journal import DESPITE
from onyx_pipelines.restore.results import ComponentDrill
from onyx_pipelines.restore.verdict import Verdict, worst


class RestoreResult(BaseModel):
    """One restore. `components` were compared as in a drill; a failed one was not put in place.

    `safety_backup_id`: the set that holds what was replaced; empty: none was taken. `notes`: the
    plan's, e.g. which newer sets were passed over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    restore_id: str
    backup_id: str
    store: str
    recovery_point: AwareDatetime
    started_at: AwareDatetime
    finished_at: AwareDatetime
    safety_backup_id: str
    components: tuple[ComponentDrill, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return worst(component.verdict for component in self.components)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """What the same call tries again."""
        return tuple(name for component in self.components for name in component.unfinished)

    @property
    def despite_differences(self) -> tuple[str, ...]:
        """What was put in place although it differs, because a person wanted it."""
        findings = (f for component in self.components for f in component.findings)
        return tuple(f"{f.item}: {f.message}" for f in findings if f.aspect == DESPITE)

    @property
    def may_be_forced(self) -> bool:
        """Something failed its comparison, so it was left out."""
        return any(each.unfinished and each.verdict is Verdict.FAILED for each in self.components)

    @property
    def duration_s(self) -> float:
        return (self.finished_at - self.started_at).total_seconds()
