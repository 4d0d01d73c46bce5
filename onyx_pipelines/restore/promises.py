"""Which findings answer which promise, and what the three verdicts become. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onyx_pipelines.core.text import duration_text, limit_text
from onyx_pipelines.core.verdict import Verdict, worst
from onyx_pipelines.restore.results import ComponentResult, DrillResult, Finding

# What concerns the shape of a database rather than what is in it.
SCHEMA_ASPECTS = frozenset({"schema", "extension", "encoding", "role", "tablespace", "pg_restore"})
# What kept everything else from being looked at.
GENERAL_ASPECTS = frozenset({"archive", "drill"})
_NAMED = 10


@dataclass(frozen=True)
class Answer:
    """A promise kept, broken, or not verified, with the sentences that say why."""

    verdict: Verdict
    sentences: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        if len(self.sentences) == 1:
            return self.sentences[0]
        return "\n".join(f"- {sentence}" for sentence in self.sentences)


def schema_answer(drill: ComponentResult) -> Answer:
    """`postgres_schema_matches`."""
    return _answer([f for f in drill.findings if f.aspect in SCHEMA_ASPECTS | GENERAL_ASPECTS])


def rows_answer(drill: ComponentResult) -> Answer:
    """`postgres_rows_match`: everything but the schema."""
    return _answer([f for f in drill.findings if f.aspect not in SCHEMA_ASPECTS])


def content_answer(drill: ComponentResult) -> Answer:
    """`qdrant_points_match`, `volumes_files_match`: all findings."""
    return _answer(list(drill.findings))


def recovery_time_answer(result: DrillResult) -> Answer:
    """`recovery_time_within_objective`: unknown where not everything was restored."""
    objective = f"the objective of {limit_text(result.objective_s)}"
    if not result.recovery_is_measured:
        return Answer(Verdict.COULD_NOT_VERIFY, ("not everything was restored: no time to judge",))
    sentence = f"{duration_text(result.recovery_s)} measured, {objective}"
    return Answer(Verdict.PASSED if result.within_objective else Verdict.FAILED, (sentence,))


def newest_answer(result: DrillResult) -> Answer:
    """`newest_set_is_drilled`: a newer one that could not be taken is not known to come back."""
    verdict = Verdict.COULD_NOT_VERIFY if result.passed_over else Verdict.PASSED
    return Answer(verdict, result.passed_over)


def recency_answer(last_passed: datetime | None, now: datetime, max_age: timedelta) -> Answer:
    """`drill_is_recent`: a missing success is a failure too."""
    if last_passed is None:
        return Answer(Verdict.FAILED, ("no drill has passed yet",))
    age = now - last_passed
    sentence = f"the last drill passed {duration_text(age.total_seconds())} ago"
    return Answer(Verdict.PASSED if age <= max_age else Verdict.FAILED, (sentence,))


def _answer(findings: Collection[Finding]) -> Answer:
    problems = [finding for finding in findings if finding.verdict is not Verdict.PASSED]
    return Answer(worst(f.verdict for f in findings), _sentences(problems))


def _sentences(problems: Sequence[Finding]) -> tuple[str, ...]:
    named = [
        f"{problem.verdict.value.replace('_', ' ')}: {problem.item}: {problem.message}"
        + (f" (expected {problem.expected}, found {problem.found})" if problem.found else "")
        for problem in problems[:_NAMED]
    ]
    more = len(problems) - len(named)
    return (*named, f"and {more} more") if more else tuple(named)
