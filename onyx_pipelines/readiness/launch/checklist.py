"""What is asked before a launch, by whom, and how it is verified: read from `checklist.yaml`, where
`$name` is a threshold of the alerts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from onyx_pipelines.core.settings import Thresholds
from onyx_pipelines.readiness.launch.verification import Manual, Verification
from onyx_pipelines.readiness.limit import with_thresholds
from onyx_pipelines.readiness.playbook import Slug, Words

_USUAL: Final = Thresholds()
# What was looked at says nothing of the day after.
_LOOKED_AT_HOLDS: Final = timedelta(days=1)


class Role(StrEnum):
    """Who answers for an item. The first three also sign (AC9.7.3)."""

    ENGINEERING = "engineering"
    OPERATIONS = "operations"
    PRODUCT = "product"
    SECURITY = "security"
    SUPPORT = "support"


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(_Read):
    """One promise.

    Args:
        asks: what has to be true, as a statement.
        blocks: whether nobody goes live without it.
        holds_for: how long what was found counts; None: for good.
    """

    id: Slug
    asks: Words
    owner: Role
    blocks: bool = True
    holds_for: timedelta | None = _LOOKED_AT_HOLDS
    verification: Annotated[Verification, Field(discriminator="kind")]

    @property
    def is_automatic(self) -> bool:
        """Whether it is looked at, and not told by a person."""
        return not isinstance(self.verification, Manual)

    @model_validator(mode="after")
    def _says_how_long_evidence_holds(self) -> Item:
        if isinstance(self.verification, Manual) and "holds_for" not in self.model_fields_set:
            raise ValueError(f"{self.id} needs holds_for: how long a person's evidence counts")
        return self


class Section(_Read):
    """One of the ten of the specification."""

    id: Slug
    title: Words
    items: Annotated[tuple[Item, ...], Field(min_length=1)]


class Checklist(_Read):
    """All that is asked."""

    sections: tuple[Section, ...]

    @property
    def items(self) -> Iterator[Item]:
        """In their order."""
        return (item for section in self.sections for item in section.items)

    def of_sections(self, wanted: Collection[str]) -> Checklist:
        """These alone, by their ids."""
        kept = tuple(each for each in self.sections if each.id in wanted)
        return Checklist(sections=kept)

    def item(self, item_id: str) -> Item | None:
        """None: there is none of that id."""
        return next((each for each in self.items if each.id == item_id), None)

    @model_validator(mode="after")
    def _each_is_there_once(self) -> Checklist:
        for ids in ([each.id for each in self.sections], [each.id for each in self.items]):
            if twice := {each for each in ids if ids.count(each) > 1}:
                raise ValueError(f"{min(twice)} is there twice")
        return self


@cache
def checklist(thresholds: Thresholds = _USUAL) -> Checklist:
    """The one of this product.

    Args:
        thresholds: from which on alerts fire; the checklist judges by the same figures.
    """
    text = files(__package__).joinpath("checklist.yaml").read_text(encoding="utf-8")
    return Checklist.model_validate(yaml.safe_load(with_thresholds(text, thresholds)))
