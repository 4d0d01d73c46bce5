"""What a pass of the diagnosis benchmark found, as it is committed and as docs/diagnosis.md shows
it: `python -m bench.diagnosis --publish` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from onyx_pipelines.monitoring.playbooks import Playbook

FIGURES: Final = Path(__file__).with_suffix(".json")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class FaultFigures(_Record):
    """One kind of fault.

    Args:
        named: by intensity, the likeliest first; an intensity that was not tried is not in it.
    """

    name: str
    kept_apart: bool
    right: tuple[Playbook, ...]
    why: str
    named: Mapping[str, tuple[Playbook, ...]]

    @property
    def hits(self) -> int:
        """Intensities in which one of the right ones was named first."""
        return sum(bool(each) and each[0] in self.right for each in self.named.values())


class Figures(_Record):
    """Args:
    measured_on: the day of its last triage.
    commits: of the rules that were asked, as they came.
    healthy, blamed: triages while nothing was wrong, and those that named something.
    slowest_s: of all triages.
    """

    measured_on: date
    commits: tuple[str, ...]
    faults: tuple[FaultFigures, ...]
    healthy: int
    blamed: int
    slowest_s: float

    def share(self, *, kept_apart: bool) -> tuple[int, int]:
        """Right ones of all, in one half."""
        half = [each for each in self.faults if each.kept_apart == kept_apart]
        return sum(each.hits for each in half), sum(len(each.named) for each in half)


def read_figures() -> Figures:
    """The committed ones."""
    return Figures.model_validate_json(FIGURES.read_bytes())
