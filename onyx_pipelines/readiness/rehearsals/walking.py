"""How a resolution is gone through: which of its steps apply, and what is typed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from onyx_pipelines.readiness.diagnosis import Outcome
from onyx_pipelines.readiness.playbook import Action

_ODD = frozenset({Outcome.UNHEALTHY, Outcome.CONSEQUENCE})


def why_left_out(action: Action, outcomes: Mapping[str, Outcome], *, is_over: bool) -> str:
    """Why a step is not taken; empty: it is.

    Args:
        outcomes: of the diagnosis, by step.
        is_over: whether what the playbook measures is well already.
    """
    if not action.command:
        return "It is done by a person, elsewhere."
    if action.when and not any(outcomes.get(step) in _ODD for step in action.when):
        return f"The diagnosis did not say so: {', '.join(action.when)}."
    if action.if_needed and is_over:
        return "What came before had helped."
    return ""


def filled_in(action: Action, said: str) -> str | None:
    """The command with what the playbook says to fill in.

    Args:
        said: what the commands before it said.

    Returns:
        None: that is not in what they said.
    """
    command = action.command
    for word, pattern in action.fill_in.items():
        found = re.findall(pattern, said)
        if not found:
            return None
        command = command.replace(word, found[-1])
    return command
