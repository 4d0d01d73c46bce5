"""Extensions that can be in one database of a server only, the one that a parameter names: a
database that is made under another name gets them when it is in its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.sources.postgres.facts import DatabaseFacts


@dataclass(frozen=True)
class BoundExtension:
    """`schema` holds its configuration, which dumps have."""

    name: str
    parameter: str
    schema: str

    def has(self, entry: str) -> bool:
        """Whether a line of a dump's contents is about it."""
        about = rf"\d+; \d+ \d+ (?:.* EXTENSION {self.name}|EXTENSION - {self.name}|[A-Z ]+ "
        return re.match(rf"{about}{self.schema}) ", f"{entry} ") is not None

    def holds(self, name: str) -> bool:
        """Whether a table or a sequence is its own."""
        return name.startswith(f"{self.schema}.")


_BOUND: Final = (BoundExtension("pg_cron", "cron.database_name", "cron"),)
# They can only be created where the server has loaded their library at its start.
PRELOADED: Final = frozenset({"citus", "pg_cron", "pgaudit", "timescaledb"})


def bound_extensions(facts: DatabaseFacts) -> tuple[BoundExtension, ...]:
    there = {extension.name for extension in facts.extensions}
    return tuple(each for each in _BOUND if each.name in there)


def without(facts: DatabaseFacts, left_out: Sequence[BoundExtension]) -> DatabaseFacts:
    """What the database is as long as it does not have them."""
    for each in left_out:
        own = f"{each.schema}."
        facts = facts.model_copy(
            update={
                "extensions": tuple(e for e in facts.extensions if e.name != each.name),
                "tables": tuple(t for t in facts.tables if not each.holds(t.name)),
                "sequences": tuple(s for s in facts.sequences if not each.holds(s.name)),
                "schema_items": tuple(
                    item
                    for item in facts.schema_items
                    if item.name != f"extension {each.name}"
                    and (item.kind, item.name) != ("extension", each.name)
                    and not (item.kind == "grants" and own in f"{item.name}.")
                ),
            }
        )
    return facts


def alone(facts: DatabaseFacts, extension: BoundExtension) -> DatabaseFacts:
    """What it brings back: itself, and the rows and positions of its configuration."""
    return facts.model_copy(
        update={
            "extensions": tuple(e for e in facts.extensions if e.name == extension.name),
            "tables": tuple(t for t in facts.tables if extension.holds(t.name)),
            "sequences": tuple(s for s in facts.sequences if extension.holds(s.name)),
        }
    )
