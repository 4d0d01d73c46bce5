"""What the asset checks say, as three values and a sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onyx_pipelines.load_test.report import sentences
from onyx_pipelines.load_test.results import Change, ChangeKind, LoadTestResult, LoadVerdict


@dataclass(frozen=True)
class Answer:
    """INVALID and INCONCLUSIVE are no pass, and no proof of a failure either."""

    verdict: LoadVerdict
    text: str


def validity_answer(result: LoadTestResult) -> Answer:
    """Of the check `load_test_is_valid`: did enough hold for the figures to prove anything?"""
    if not result.validity.is_valid:
        return Answer(LoadVerdict.FAILED, sentences.broken(result.validity))
    seen = sum(gate.passed is True for gate in result.validity.gates)
    total = len(result.validity.gates)
    return Answer(LoadVerdict.PASSED, f"{seen} of {total} conditions were shown to hold.")


def objective_answer(result: LoadTestResult, name: str) -> Answer:
    """An objective of a run that is invalid is neither kept nor broken."""
    found = next((each for each in result.objectives if each.name == name), None)
    if found is None:
        return Answer(LoadVerdict.INCONCLUSIVE, "This run did not test it.")
    return _if_valid(result, found.verdict, sentences.judgement(found))


def regression_answer(result: LoadTestResult) -> Answer:
    """`no_regression`: over what decides, at p95 (Welch's interval over repeats)."""
    gating = [each for each in result.comparison.changes if each.is_gating]
    if not gating:
        return Answer(LoadVerdict.INCONCLUSIVE, _nothing(result))
    kinds = {each.kind for each in gating}
    verdict = LoadVerdict.PASSED
    if ChangeKind.REGRESSED in kinds:
        verdict = LoadVerdict.FAILED
    elif ChangeKind.INCONCLUSIVE in kinds:
        verdict = LoadVerdict.INCONCLUSIVE
    return _if_valid(result, verdict, _told(gating))


def alarm_answer(result: LoadTestResult) -> Answer:
    """`no_latency_alarm`: more than twice the baseline, as the spec alerts on."""
    changes = result.comparison.changes
    if not changes:
        return Answer(LoadVerdict.INCONCLUSIVE, _nothing(result))
    alarms = [each for each in changes if each.is_alarm]
    verdict = LoadVerdict.FAILED if alarms else LoadVerdict.PASSED
    return _if_valid(result, verdict, _told(alarms) or "No figure is beyond twice its baseline.")


def _if_valid(result: LoadTestResult, verdict: LoadVerdict, text: str) -> Answer:
    if result.validity.is_valid:
        return Answer(verdict, text)
    return Answer(LoadVerdict.INVALID, f"The run is invalid. {text}")


def _told(changes: Sequence[Change]) -> str:
    return "; ".join(f"{each.name}: {sentences.change(each)}" for each in changes)


def _nothing(result: LoadTestResult) -> str:
    is_first = result.comparison.baseline_id is None
    return sentences.NO_BASELINE if is_first else "Nothing to compare."
