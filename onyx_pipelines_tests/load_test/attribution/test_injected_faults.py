"""Injected faults are found, and none is found where none is."""

from collections.abc import Iterable
from itertools import chain

import pytest

from onyx_pipelines.load_test.report.sentences import advice, cannot_tell, evidence, summary
from onyx_pipelines.load_test.results import Attribution
from onyx_pipelines_tests.load_test.attribution.injected import (
    FURTHER,
    HELD_OUT,
    KINDS,
    Injected,
    healthy,
    inject,
)
from onyx_pipelines_tests.load_test.attribution.measuring import explained

pytestmark = pytest.mark.slow


def _found(kinds: Iterable[str], repeats: int) -> list[tuple[Injected, Attribution]]:
    injected = [inject(kind, 40 + repeat) for kind in kinds for repeat in range(repeats)]
    return [(each, explained(each, 7000 + at)) for at, each in enumerate(injected)]


def _named_service(found: list[tuple[Injected, Attribution]]) -> float:
    right = [
        answer.cause is not None and answer.cause.service == injected.service
        for injected, answer in found
    ]
    return sum(right) / len(right)


def _named_cause(found: list[tuple[Injected, Attribution]]) -> float:
    right = [
        answer.cause is not None
        and (answer.cause.kind, answer.cause.service) == (injected.kind, injected.service)
        for injected, answer in found
    ]
    return sum(right) / len(right)


def _said(answer: Attribution) -> list[str]:
    causes = (each for each in (answer.cause, answer.runner_up, answer.next_cause) if each)
    advised = (advice(each)[:2] for each in answer.remedies)
    seen = (text for cause in causes for text in evidence(cause))
    return [summary(answer), *cannot_tell(answer), *seen, *chain.from_iterable(advised)]


def _is_sentence(text: str) -> bool:
    # A sentence may begin with the name of a service.
    return text[0].isalnum() and text.endswith(".") and "{" not in text and "  " not in text


@pytest.mark.parametrize(
    ("kinds", "repeats"),
    [
        pytest.param(KINDS, 1, id="known, once"),
        pytest.param(KINDS, 3, id="known", marks=pytest.mark.thorough),
        pytest.param(FURTHER, 3, id="further", marks=pytest.mark.thorough),
        pytest.param(HELD_OUT, 3, id="held out", marks=pytest.mark.thorough),
    ],
)
def test_the_service_and_the_cause_of_injected_faults_are_named(kinds, repeats):
    found = _found(kinds, repeats)

    assert _named_service(found) >= 0.95
    assert _named_cause(found) >= 0.90
    assert [text for _, answer in found for text in _said(answer) if not _is_sentence(text)] == []


def test_a_healthy_system_has_no_culprit():
    answers = [explained(healthy(40 + repeat), 8000 + repeat) for repeat in range(4)]

    assert [answer.cause for answer in answers] == [None] * 4


def test_what_is_full_next_is_named():
    answers = [explained(inject("pool and cpu", seed), 8100 + seed) for seed in range(2)]

    next_services = [answer.next_cause.service for answer in answers if answer.next_cause]
    assert next_services == ["vector"] * 2


def test_the_share_of_growth_has_an_interval_around_it():
    cause = explained(inject("serial section", 41), 8300).cause

    assert cause.share_interval.low <= cause.share <= cause.share_interval.high
    assert cause.share_interval.low > 0.5


def test_the_same_run_is_always_explained_in_the_same_way():
    injected = inject("vector cpu", 41)

    assert explained(injected, 8400) == explained(injected, 8400)
