"""The drills of the past, read from the reports that they left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from onyx_pipelines.core.logs import logger
from onyx_pipelines.reporting.publish import report_directories
from onyx_pipelines.restore.results import DrillResult, parse_drill_result

FOLDER = "restore-drills"
RESULT_FILE = "drill.json"


@dataclass(frozen=True)
class UnreadableDrill:
    """A report directory whose result could not be read, and why."""

    directory: Path
    reason: str


@dataclass(frozen=True)
class History:
    """Drills, newest first, and what could not be read: one that is lost may be the one that
    matters, so it is carried along and shown."""

    drills: tuple[DrillResult, ...] = ()
    unreadable: tuple[UnreadableDrill, ...] = ()

    def before(self, result: DrillResult) -> History:
        """The drills that began before `result` did, without itself."""
        earlier = tuple(
            drill
            for drill in self.drills
            if drill.drill_id != result.drill_id and drill.started_at <= result.started_at
        )
        return History(earlier, self.unreadable)


def read_history(reports_dir: Path) -> History:
    """Every drill that left a report in `reports_dir`, newest first.

    What cannot be read is in `unreadable` and in the log; it is never just missing.

    Raises:
        ReportError: the directory exists but cannot be listed.
    """
    drills: list[DrillResult] = []
    unreadable: list[UnreadableDrill] = []
    for directory in report_directories(reports_dir / FOLDER):
        try:
            drills.append(parse_drill_result((directory / RESULT_FILE).read_bytes()))
        except OSError as error:
            unreadable.append(UnreadableDrill(directory, f"{RESULT_FILE}: {error.strerror}"))
        except ValidationError as error:
            unreadable.append(UnreadableDrill(directory, _reason(error)))
    for problem in unreadable:
        logger("restore.report").warning(
            "an earlier drill's result cannot be read",
            extra={"directory": str(problem.directory), "reason": problem.reason},
        )
    drills.sort(key=lambda drill: drill.started_at, reverse=True)
    return History(tuple(drills), tuple(unreadable))


def _reason(error: ValidationError) -> str:
    """The first thing that is wrong with it, without quoting its content."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{RESULT_FILE}: {f'{place}: ' if place else ''}{first['msg']}"
