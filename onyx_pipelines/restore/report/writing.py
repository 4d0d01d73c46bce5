"""Draws one drill's report and puts it on disk."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pydantic import ValidationError

from onyx_pipelines.core.text import moment_text, stamp_text, words
from onyx_pipelines.reporting.publish import (
    Published,
    ReportError,
    point_latest_at,
    publish,
    report_directories,
)
from onyx_pipelines.restore.report import summary, view
from onyx_pipelines.restore.report.formatting import COMPONENT_NAMES
from onyx_pipelines.restore.report.history import FOLDER, RESULT_FILE, History, read_history
from onyx_pipelines.restore.report.over_time import over_time
from onyx_pipelines.restore.report.view import MOST_DRILLS, badge
from onyx_pipelines.restore.results import DrillResult, parse_drill_result

_REMEDY = "The drill need not run again: its verdict and times are in the run's metadata."


def write_report(result: DrillResult, reports_dir: Path, *, stack: str = "") -> Published:
    """Write `restore-drills/<UTC time>-<backup id>/`, with the drills before it that are there, and
    point `latest` at the newest.

    Args:
        stack: whose drill it is; "": it has no name.

    Raises:
        ReportError: nothing was written, or (a drill written again) not everything.
    """
    folder = reports_dir / FOLDER
    published = publish(
        _directory(folder, result),
        drill_page(result, read_history(reports_dir).before(result), stack=stack),
        RESULT_FILE,
        result.model_dump_json(indent=1),
        remedy=_REMEDY,
    )
    newest = [path for path in report_directories(folder) if (path / RESULT_FILE).is_file()]
    point_latest_at(max(path for path in newest if path.name[0].isdigit()))
    return published


def drill_page(result: DrillResult, earlier: History, *, stack: str = "") -> str:
    """The whole page. `earlier` has the drills before this one, newest first."""
    from onyx_pipelines.reporting.pages import render

    return render(
        "drill",
        stack=stack,
        title=f"Restore drill {words(result.verdict)}: {moment_text(result.started_at)}",
        subtitle=f"Restore drill, {moment_text(result.started_at)}",
        verdict=badge(result.verdict),
        headline=summary.headline(result),
        command=summary.reproduce_command(result),
        reproduction=view.reproduction(result),
        result=result,
        earlier=earlier,
        summary=summary,
        view=view,
        names=COMPONENT_NAMES,
        over_time=over_time([*reversed(earlier.drills[: MOST_DRILLS - 1]), result]),
    )


def _directory(folder: Path, result: DrillResult) -> Path:
    """Its own directory: the one it already has, or a name that no other drill has."""
    backup = re.sub(r"[^0-9A-Za-z]", "_", result.backup_id[:8])
    stem = f"{stamp_text(result.started_at)}-{backup}"
    candidates = [folder / stem, *(folder / f"{stem}-{number}" for number in range(2, 100))]
    for candidate in candidates:
        if not os.path.lexists(candidate) or _drill_id(candidate) == result.drill_id:
            return candidate
    raise ReportError(
        f"There are {len(candidates)} reports of {stem} already.",
        remedy=f"Something repeats this drill within one second: find it, and clear {folder}.",
    )


def _drill_id(directory: Path) -> str | None:
    try:
        return parse_drill_result((directory / RESULT_FILE).read_bytes()).drill_id
    except (OSError, ValidationError):
        return None
