"""Which steps of a resolution are taken, and what is typed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from onyx_pipelines.readiness.diagnosis import Outcome
from onyx_pipelines.readiness.playbook import Action, playbooks
from onyx_pipelines.readiness.rehearsals.walking import filled_in, why_left_out

LOG = 'qdrant | Failed to load local shard "/data/storage/collections/documents/0": broken'


def action(**said: Any) -> Action:
    return Action.model_validate({"do": "Do it.", "effect": "It is done.", **said})


@pytest.mark.parametrize(
    ("said", "outcome", "is_over", "why"),
    [
        ({"command": "ls"}, Outcome.HEALTHY, True, ""),
        ({}, Outcome.UNHEALTHY, False, "by a person"),
        ({"command": "ls", "when": ["disks"]}, Outcome.UNHEALTHY, False, ""),
        ({"command": "ls", "when": ["disks"]}, Outcome.CONSEQUENCE, False, ""),
        ({"command": "ls", "when": ["disks"]}, Outcome.HEALTHY, False, "diagnosis did not say so"),
        ({"command": "ls", "when": ["disks"]}, Outcome.UNKNOWN, False, "diagnosis did not say so"),
        ({"command": "ls", "if_needed": True}, Outcome.HEALTHY, False, ""),
        ({"command": "ls", "if_needed": True}, Outcome.HEALTHY, True, "had helped"),
    ],
)
def test_a_step_is_taken_where_its_condition_holds(
    said: dict[str, Any], outcome: Outcome, is_over: bool, why: str
) -> None:
    found = why_left_out(action(**said), {"disks": outcome}, is_over=is_over)

    assert why in found
    assert bool(found) is bool(why)


def test_what_is_to_be_filled_in_is_found_in_what_was_said_last() -> None:
    step = action(command="mv NAME NAME.old", fill_in={"NAME": r"collections/([^/]+)/"})

    assert filled_in(step, f"{LOG.replace('documents', 'notes')}\n{LOG}") == (
        "mv documents documents.old"
    )
    assert filled_in(step, "nothing of it") is None
    assert filled_in(action(command="ls"), "") == "ls"


@pytest.mark.parametrize(
    "said",
    [
        {"command": "mv A B", "fill_in": {"NAME": "(x)"}},
        {"command": "mv NAME B", "fill_in": {"NAME": "x"}},
        {"command": "mv NAME B", "fill_in": {"NAME": "(x)(y)"}},
    ],
)
def test_a_word_that_cannot_be_filled_in_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="no word of"):
        action(**said)


def test_the_playbooks_find_the_collection_in_the_log() -> None:
    patterns = {
        pattern
        for each in playbooks()
        for step in each.resolution
        for pattern in step.fill_in.values()
    }

    for pattern in patterns:
        step = action(command="NAME", fill_in={"NAME": pattern})
        assert filled_in(step, LOG) == "documents"
