"""One line of the plan of a restore: what would be put where, and whether it replaces anything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlannedChange:
    """`what` of the set goes to `target`; `detail` is for a person, in whole sentences."""

    what: str
    target: str
    overwrites: bool
    detail: str
