"""Several rehearsals of each scenario as one row of figures: medians, and how many were right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict, TypeAdapter

from onyx_pipelines.core.text import NOT_KNOWN, count_text, duration_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.readiness.rehearsals.record import Rehearsal
from onyx_pipelines.reporting.tables import Table, plain_table


class ScenarioFigures(BaseModel):
    """Medians in seconds, over those that came so far; None: none did.

    Args:
        slowest_detect_s: of all, the longest until the first message.
        load: the least and the highest, of the machine.
    """

    model_config = ConfigDict(frozen=True)

    scenario: str
    rehearsals: int
    passed: int
    right_first: int
    detect_s: float | None
    slowest_detect_s: float | None
    diagnose_s: float | None
    repair_s: float | None
    whole_s: float | None
    load: tuple[float, float]


_LIST = TypeAdapter(tuple[ScenarioFigures, ...])


def figures_of(rehearsals: Sequence[Rehearsal]) -> tuple[ScenarioFigures, ...]:
    """A row for each scenario, in the order in which they come first."""
    names = dict.fromkeys(each.scenario for each in rehearsals)
    return tuple(_row([each for each in rehearsals if each.scenario == name]) for name in names)


def _row(found: Sequence[Rehearsal]) -> ScenarioFigures:
    def middle(time_of: Callable[[Rehearsal], float | None]) -> float | None:
        times = [time for each in found if (time := time_of(each)) is not None]
        return round(median(times), 2) if times else None

    loads = [each.load for each in found]
    return ScenarioFigures(
        scenario=found[0].scenario,
        rehearsals=len(found),
        passed=sum(each.verdict is Verdict.PASSED for each in found),
        right_first=sum(each.is_right_first for each in found),
        detect_s=middle(lambda each: each.detect_s),
        slowest_detect_s=max((e.detect_s for e in found if e.detect_s is not None), default=None),
        diagnose_s=middle(lambda each: each.diagnose_s),
        repair_s=middle(lambda each: each.repair_s),
        whole_s=middle(lambda each: each.whole_s),
        load=(min(loads), max(loads)),
    )


def figures_table(found: Sequence[ScenarioFigures]) -> Table:
    """For people: in a terminal, in a page, in the documentation."""
    columns = [
        ("Scenario", "nowrap"),
        ("Passed", "number"),
        ("Right first", "number"),
        ("Detect", "number"),
        ("Slowest", "number"),
        ("Diagnose", "number"),
        ("Repair", "number"),
        ("All-clear after", "number"),
    ]
    rows = [
        (
            each.scenario,
            f"{each.passed} of {each.rehearsals}",
            f"{each.right_first} of {each.rehearsals}",
            *(
                seconds_text(time)
                for time in (
                    *(each.detect_s, each.slowest_detect_s, each.diagnose_s),
                    *(each.repair_s, each.whole_s),
                )
            ),
        )
        for each in found
    ]
    return plain_table(columns, rows)


def load_text(found: Sequence[ScenarioFigures]) -> str:
    """Under which load of the machine they were measured."""
    least = min((each.load[0] for each in found), default=0.0)
    most = max((each.load[1] for each in found), default=0.0)
    count = count_text(sum(each.rehearsals for each in found), "rehearsal")
    return f"{count}; load of the machine {least:.1f} to {most:.1f}."


def seconds_text(seconds: float | None) -> str:
    """It did not come to that: not known."""
    return NOT_KNOWN if seconds is None else duration_text(seconds)


def write_figures(path: Path, found: Sequence[ScenarioFigures]) -> None:
    """Raises OSError: it cannot be written."""
    replace_durably(path, _LIST.dump_json(tuple(found), indent=1) + b"\n", mode=0o644)


def read_figures(path: Path) -> tuple[ScenarioFigures, ...]:
    """Raises OSError, ValidationError: there are none, or of another form."""
    return _LIST.validate_json(path.read_bytes())
