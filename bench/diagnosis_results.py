"""What triages named, a line of JSON each: an interrupted pass goes on. And what that says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict

from bench.diagnosis_faults import Fault, Intensity
from bench.diagnosis_figures import FaultFigures, Figures
from bench.table import Line
from onyx_pipelines.monitoring.playbooks import Playbook

_RIGHT_PERCENT = 95


class Diagnosed(BaseModel):
    """One triage.

    Args:
        fault: empty: nothing was wrong.
        named: the likeliest first.
        because: what decided, of each that is named.
        unknown: playbooks of which it could not tell.
        before: what was named before anything was struck; it should be nothing.
        commit: of the rules.
    """

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    commit: str
    fault: str = ""
    intensity: Intensity | None = None
    named: tuple[Playbook, ...]
    because: Mapping[Playbook, tuple[str, ...]]
    unknown: tuple[Playbook, ...]
    took_s: float
    before: tuple[Playbook, ...] = ()

    @property
    def key(self) -> tuple[str, Intensity | None]:
        return self.fault, self.intensity


def read(path: Path) -> list[Diagnosed]:
    """Of before; none: there is no file yet."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Diagnosed.model_validate_json(line) for line in lines]


def append(path: Path, found: Diagnosed) -> None:
    """At its end."""
    with path.open("a", encoding="utf-8") as file:
        file.write(found.model_dump_json() + "\n")


def is_right(found: Diagnosed, faults: Mapping[str, Fault]) -> bool:
    """Whether what is named first is right; where nothing was struck, whether nothing is named."""
    if not found.fault:
        return not found.named
    return bool(found.named) and found.named[0] in faults[found.fault].right


def judged(
    results: Sequence[Diagnosed], faults: Mapping[str, Fault], apart: Collection[str]
) -> list[Line]:
    """Of the halves that there are results of, and of health."""
    halves = {
        "right playbook first, kept apart": [
            each for each in results if each.fault and each.fault in apart
        ],
        "right playbook first, the open half": [
            each for each in results if each.fault and each.fault not in apart
        ],
    }
    lines = [
        Line(
            f"{what}, of {len(found)}",
            100 * sum(is_right(each, faults) for each in found) / len(found),
            _RIGHT_PERCENT,
            "%",
            "; ".join(_said(each) for each in found if not is_right(each, faults)),
            at_least=True,
        )
        for what, found in halves.items()
        if found
    ]
    healthy = [each for each in results if not each.fault]
    if healthy:
        wrong = [each for each in healthy if each.named]
        detail = "; ".join(" ".join(each.named) for each in wrong)
        what = f"healthy runs in which something is named, of {len(healthy)}"
        lines.append(Line(what, len(wrong), 0, "", detail))
    if results:
        slowest = max(each.took_s for each in results)
        lines.append(Line("the longest triage", slowest, 10, "s", ""))
    return lines


def figures(
    results: Sequence[Diagnosed], faults: Sequence[Fault], apart: Collection[str]
) -> Figures:
    """For the page."""
    by_fault = {
        each.name: {
            str(found.intensity): found.named for found in results if found.fault == each.name
        }
        for each in faults
    }
    healthy = [each for each in results if not each.fault]
    return Figures(
        measured_on=max(each.at for each in results).date(),
        commits=tuple(dict.fromkeys(each.commit for each in results)),
        faults=tuple(
            FaultFigures(
                name=each.name,
                kept_apart=each.name in apart,
                right=tuple(sorted(each.right)),
                why=each.why,
                named=by_fault[each.name],
            )
            for each in faults
        ),
        healthy=len(healthy),
        blamed=sum(bool(each.named) for each in healthy),
        slowest_s=round(max(each.took_s for each in results), 1),
    )


def _said(found: Diagnosed) -> str:
    return f"{found.fault} ({found.intensity}): {' '.join(found.named) or 'nothing'}"
