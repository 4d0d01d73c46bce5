"""From what is seen to the playbook, in at most three questions (AC9.5.3)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from onyx_pipelines.monitoring.playbooks import Playbook
from onyx_pipelines.readiness.playbook import Words


class Answer(BaseModel):
    """Leads to a playbook, or to the next question."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: Words
    playbook: Playbook | None = None
    then: Question | None = None

    @model_validator(mode="after")
    def _leads_on(self) -> Answer:
        if (self.playbook is None) == (self.then is None):
            raise ValueError(f"{self.answer!r} needs a playbook or a question, and not both")
        return self


class Question(BaseModel):
    """What is asked, and what can be answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asks: Words
    answers: Annotated[tuple[Answer, ...], Field(min_length=2)]

    def paths(self) -> Iterator[tuple[tuple[Answer, ...], Playbook]]:
        """Every way to a playbook: the answers given, and where they lead."""
        for answer in self.answers:
            if answer.playbook is not None:
                yield (answer,), answer.playbook
            elif answer.then is not None:
                for rest, playbook in answer.then.paths():
                    yield (answer, *rest), playbook


@cache
def decision_tree() -> Question:
    """The one at the top of docs/INCIDENTS.md."""
    text = files(__package__).joinpath("decision_tree.yaml").read_text(encoding="utf-8")
    return Question.model_validate(yaml.safe_load(text))


def as_text(question: Question, depth: int = 0) -> Iterator[str]:
    """Nested lines, for a terminal and for who cannot see a picture."""
    indent = "    " * depth
    yield f"{indent}{question.asks}"
    for answer in question.answers:
        if answer.playbook is not None:
            yield f"{indent}  - {answer.answer}: {answer.playbook.value}"
        elif answer.then is not None:
            yield f"{indent}  - {answer.answer}:"
            yield from as_text(answer.then, depth + 1)


def as_mermaid(question: Question) -> Iterator[str]:
    """A flowchart; each playbook is one box, that several answers may lead to."""
    yield "flowchart LR"
    yield from _question(question, "q")
    for playbook in Playbook:
        yield f'    {playbook.value}["{playbook.value}"]'


def _question(question: Question, name: str) -> Iterator[str]:
    yield f'    {name}{{"{_quoted(question.asks)}"}}'
    for number, answer in enumerate(question.answers, 1):
        target = answer.playbook.value if answer.playbook is not None else f"{name}{number}"
        yield f'    {name} -->|"{_quoted(answer.answer)}"| {target}'
        if answer.then is not None:
            yield from _question(answer.then, target)


def _quoted(text: str) -> str:
    return text.replace('"', "#quot;").replace("`", "")
