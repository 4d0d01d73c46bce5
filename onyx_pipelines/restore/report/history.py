"""The drills of the past, read from the reports that they left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onyx_pipelines.reporting.publish import Unreadable, read_results
from onyx_pipelines.restore.results import DrillResult, parse_drill_result

FOLDER = "restore-drills"
RESULT_FILE = "drill.json"


@dataclass(frozen=True)
class History:
    """Drills, newest first, and what could not be read: one that is lost may be the one that
    matters, so it is carried along and shown."""

    drills: tuple[DrillResult, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()

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

    Raises:
        ReportError: the directory exists but cannot be listed.
    """
    drills, unreadable = read_results(reports_dir / FOLDER, RESULT_FILE, parse_drill_result)
    drills.sort(key=lambda drill: drill.started_at, reverse=True)
    return History(tuple(drills), tuple(unreadable))
