"""Puts one drill's report on disk: all of it or none, and a pointer to the newest one."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from onyx_pipelines.host.durable_files import create_durably, sync_folder
from onyx_pipelines.restore.report.history import (
    FOLDER,
    LATEST,
    RESULT_FILE,
    UNFINISHED_PREFIX,
    History,
    ReportError,
)
from onyx_pipelines.restore.report.markdown import (
    HISTORY_IMAGE,
    TIMELINE_IMAGE,
    report_markdown,
)
from onyx_pipelines.restore.results import DrillResult, parse_drill_result
from onyx_pipelines.restore.tree_removal import discard_tree, remove_tree
from onyx_pipelines.telemetry import logger

HTML_FILE, MARKDOWN_FILE = "report.html", "report.md"
_UNFINISHED_LIFE = timedelta(hours=1)


@dataclass(frozen=True)
class ReportPaths:
    """Where a report lies. `chart_png` is absent if no step was timed."""

    directory: Path
    html: Path
    markdown: Path
    json: Path
    chart_png: Path | None
    history_png: Path


def write_report(
    result: DrillResult, reports_dir: Path, *, history: Sequence[DrillResult]
) -> ReportPaths:
    """Writes `reports_dir/restore-drills/<UTC time>-<backup id>/` and points `latest` at it.

    Writing the same drill again replaces its files, each at once. Files are readable for the owner
    and the group: they name tables, collections and paths.

    Args:
        history: the earlier drills, newest first, as `read_history` gives them. Later ones and
            this one itself are left out.

    Raises:
        ReportError: nothing was written, or (a drill written again) not everything.
    """
    known = history if isinstance(history, History) else History(tuple(history))
    contents = _contents(result, known.before(result))
    folder = reports_dir / FOLDER
    with _translated(folder):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        _sweep(folder)
        directory = _publish(folder, result, contents)
    _point_at_newest(folder)
    return ReportPaths(
        directory=directory,
        html=directory / HTML_FILE,
        markdown=directory / MARKDOWN_FILE,
        json=directory / RESULT_FILE,
        chart_png=directory / TIMELINE_IMAGE if TIMELINE_IMAGE in contents else None,
        history_png=directory / HISTORY_IMAGE,
    )


def _contents(result: DrillResult, earlier: History) -> dict[str, bytes]:
    # Drawing costs half a second to import, which whoever only loads definitions need not pay.
    from onyx_pipelines.page.canvas import WIDE, to_png
    from onyx_pipelines.restore.report.history_chart import history_drawing
    from onyx_pipelines.restore.report.html import report_html
    from onyx_pipelines.restore.report.timeline_chart import timeline_drawing

    contents = {
        HTML_FILE: report_html(result, earlier).encode(),
        MARKDOWN_FILE: report_markdown(result, earlier).encode(),
        HISTORY_IMAGE: to_png(history_drawing(result, earlier.drills, WIDE)),
        RESULT_FILE: result.model_dump_json(indent=1).encode(),
    }
    if timeline := timeline_drawing(result, WIDE):
        contents[TIMELINE_IMAGE] = to_png(timeline)
    return contents


def _publish(folder: Path, result: DrillResult, contents: dict[str, bytes]) -> Path:
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED_PREFIX, dir=folder))
    try:
        unfinished.chmod(0o750)
        for name, data in contents.items():
            create_durably(unfinished / name, data, mode=0o640)
        directory = _directory(folder, result)
        if directory.exists():
            for name in contents:
                (unfinished / name).replace(directory / name)
            sync_folder(directory)
        else:
            unfinished.rename(directory)
        sync_folder(folder)
        return directory
    finally:
        discard_tree(unfinished)


def _directory(folder: Path, result: DrillResult) -> Path:
    """Its own directory: the one it already has, or a name that no other drill has."""
    backup = re.sub(r"[^0-9A-Za-z]", "_", result.backup_id[:8])
    stem = f"{result.started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{backup}"
    candidates = [folder / stem, *(folder / f"{stem}-{number}" for number in range(2, 100))]
    for candidate in candidates:
        if not candidate.exists() or _drill_id(candidate) == result.drill_id:
            return candidate
    raise ReportError(
        f"There are {len(candidates)} reports of {stem} already.",
        remedy=f"Something repeats this drill within one second: find it, and clear {folder}.",
    )


def _drill_id(directory: Path) -> str | None:
    try:
        return parse_drill_result((directory / RESULT_FILE).read_bytes()).drill_id
    except (FileNotFoundError, ValidationError):
        return None


def _sweep(folder: Path) -> None:
    """Removes what a killed process left half-written."""
    oldest = datetime.now(UTC) - _UNFINISHED_LIFE
    for entry in folder.glob(f"{UNFINISHED_PREFIX}*"):
        if datetime.fromtimestamp(entry.lstat().st_mtime, UTC) < oldest:
            remove_tree(entry)


def _point_at_newest(folder: Path) -> None:
    """`latest` -> the newest report. A convenience: its failure is logged, the report stands."""
    temporary = folder / f"{UNFINISHED_PREFIX}{LATEST}"
    try:
        reports = [e.name for e in folder.iterdir() if (e / RESULT_FILE).is_file()]
        newest = max(name for name in reports if name[0].isdigit())
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(newest, target_is_directory=True)
        temporary.replace(folder / LATEST)
    except OSError as error:
        logger("restore.report").warning(
            "the link to the newest report could not be set",
            extra={"link": str(folder / LATEST), "reason": error.strerror},
        )


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReportError(
            f"The drill's report cannot be written to {folder}: {error.strerror}.",
            remedy="Free space there, or give this user the directory. The drill need not run"
            " again: its verdict and times are in the run's metadata.",
        ) from error
