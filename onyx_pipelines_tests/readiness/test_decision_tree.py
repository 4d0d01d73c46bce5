"""From what is seen to the right playbook, in at most three questions."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.decision_tree import Question, as_mermaid, as_text, decision_tree

# What somebody sees, in the order in which they would answer, and what has then happened.
SEEN = [
    (["browser warns"], Playbook.CERTIFICATE_EXPIRY),
    (["assistant does not answer", "Yes"], Playbook.LLM_DOWN),
    (["assistant does not answer", "No", "Yes"], Playbook.VECTOR_CORRUPTION),
    (["cannot sign in", "No"], Playbook.DATABASE_FAILURE),
    (["cannot sign in", "Yes"], Playbook.HIGH_RESOURCE_USAGE),
    (["slowly", "No"], Playbook.HIGH_RESOURCE_USAGE),
    (["without documents", "No"], Playbook.VECTOR_CORRUPTION),
    (["without documents", "only new ones"], Playbook.SYNC_FAILURE),
    (["backup, drill"], Playbook.SYNC_FAILURE),
]


@pytest.mark.parametrize(("said", "playbook"), SEEN)
def test_what_is_seen_leads_to_its_playbook(said: list[str], playbook: Playbook) -> None:
    question = decision_tree()
    for number, words in enumerate(said, 1):
        (answer,) = [
            each
            for each in question.answers
            if words in each.answer or each.answer.startswith(f"{words},")
        ]
        if answer.then is None:
            assert number == len(said)
            assert answer.playbook is playbook
        else:
            question = answer.then


def test_every_playbook_is_reached_by_at_most_three_answers() -> None:
    paths = list(decision_tree().paths())

    assert {playbook for _, playbook in paths} == set(Playbook)
    assert max(len(answers) for answers, _ in paths) <= 3


def test_text_and_picture_say_the_same() -> None:
    text, picture = "\n".join(as_text(decision_tree())), "\n".join(as_mermaid(decision_tree()))

    for answers, playbook in decision_tree().paths():
        assert f"{answers[-1].answer}: {playbook.value}" in text
        for answer in answers:
            assert f'|"{answer.answer}"|' in picture


@pytest.mark.parametrize(
    "answer",
    [
        {"answer": "Yes"},
        {"answer": "Yes", "playbook": "ssl-expiry", "then": {"asks": "A?", "answers": []}},
        {"answer": "Yes", "playbook": "weather"},
    ],
)
def test_an_answer_that_leads_nowhere_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Question.model_validate(
            {"asks": "A?", "answers": [answer, {"answer": "No", "playbook": "ssl-expiry"}]}
        )
