"""Puts one load test's report on disk: all of it or none of it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from onyx_pipelines.errors import StoreError
from onyx_pipelines.host.durable_files import create_durably
from onyx_pipelines.load_test.report.markdown import report_markdown
from onyx_pipelines.load_test.results import LoadTestResult, Scenario

FOLDER: Final = "load-test"
HTML_FILE, MARKDOWN_FILE, RESULT_FILE = "report.html", "report.md", "result.json"
_LATEST: Final = "latest"


@dataclass(frozen=True)
class ReportFiles:
    """Where a report lies; `charts` are PNGs by name."""

    directory: Path
    html: Path
    markdown: Path
    result: Path
    charts: Mapping[str, Path]


def write_report(
    result: LoadTestResult,
    samples: pd.DataFrame,
    reports_dir: Path,
    targets_ms: Mapping[Scenario, float],
) -> ReportFiles:
    """Write `reports_dir/load-test/<run>/`, over an earlier one of the run; point `latest` at it.

    Raises:
        StoreError: nothing was written.
    """
    contents = _contents(result, samples, targets_ms)
    folder = reports_dir / FOLDER
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        directory = _publish(folder, result.run_id, contents)
        _point_at(folder, directory.name)
    except OSError as error:
        raise StoreError(
            f"The load test's report cannot be written to {folder} ({error.strerror}).",
            remedy="Free space there, or name another directory in ONYX_REPORTS_DIR; `onyx"
            " load-test report` writes it again without sending anything.",
        ) from None
    return ReportFiles(
        directory=directory,
        html=directory / HTML_FILE,
        markdown=directory / MARKDOWN_FILE,
        result=directory / RESULT_FILE,
        charts={Path(name).stem: directory / name for name in contents if name.endswith(".png")},
    )


def thumbnail_png(result: LoadTestResult) -> bytes:
    """The latency budget, small enough for a dialog of the UI; an empty frame without answers."""
    from onyx_pipelines.load_test.report.charts.budget import budget_picture
    from onyx_pipelines.page.canvas import Drawing, Layout, new_figure, to_png

    drawing = budget_picture(result, Layout("thumbnail", 760, narrow=False, font_px=10))
    if drawing is None:
        drawing = Drawing(new_figure(480, 270), "", "", tooltips={}, texts={})
    return to_png(drawing, scale=1)


def _contents(
    result: LoadTestResult, samples: pd.DataFrame, targets_ms: Mapping[Scenario, float]
) -> dict[str, bytes]:
    # Drawing takes half a second to import, which whoever only loads definitions need not pay.
    from onyx_pipelines.load_test.report.charts.budget import budget_picture
    from onyx_pipelines.load_test.report.charts.saturation import saturation_drawing
    from onyx_pipelines.load_test.report.charts.spectrum import spectrum_drawing
    from onyx_pipelines.load_test.report.charts.throughput import throughput_drawing
    from onyx_pipelines.load_test.report.html import report_html
    from onyx_pipelines.page.canvas import WIDE, to_png

    drawings = {
        "spectrum": spectrum_drawing(result, samples, targets_ms, WIDE),
        "budget": budget_picture(result, WIDE),
        "throughput": throughput_drawing(result, WIDE),
        "saturation": saturation_drawing(result, WIDE),
    }
    return {
        HTML_FILE: report_html(result, samples, targets_ms).encode(),
        MARKDOWN_FILE: report_markdown(result).encode(),
        RESULT_FILE: result.model_dump_json(indent=1).encode(),
        **{
            f"{name}.png": to_png(drawing)
            for name, drawing in drawings.items()
            if drawing is not None
        },
    }


def _publish(folder: Path, name: str, contents: Mapping[str, bytes]) -> Path:
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    try:
        unfinished.chmod(0o750)
        for file_name, data in contents.items():
            create_durably(unfinished / file_name, data, mode=0o644)
        directory = folder / name
        if directory.exists():
            for file_name in contents:
                (unfinished / file_name).replace(directory / file_name)
        else:
            unfinished.rename(directory)
        return directory
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _point_at(folder: Path, name: str) -> None:
    beside = folder / f".{_LATEST}"
    beside.unlink(missing_ok=True)
    beside.symlink_to(name, target_is_directory=True)
    beside.replace(folder / _LATEST)
