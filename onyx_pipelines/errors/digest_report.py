"""A day's digest as a page below the reports, and the days that have one."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from onyx_pipelines.core.names import Asset
from onyx_pipelines.errors.digest import Digest
from onyx_pipelines.errors.digest_rendering import digest_page
from onyx_pipelines.reporting.publish import (
    Published,
    point_latest_at_newest,
    publish,
    report_directories,
)

FOLDER: Final = "error-digest"
_RESULT_FILE: Final = "digest.json"
_REMEDY: Final = f"Launch `{Asset.ERROR_DIGEST}` for that day again."


def write_digest(digest: Digest, reports_dir: Path, *, stack: str = "") -> Published:
    """Write `reports_dir/error-digest/<day>/`, over an earlier page of the day.

    Raises:
        ReportError: nothing was written, or (a day written again) not everything.
    """
    published = publish(
        reports_dir / FOLDER / digest.day.isoformat(),
        digest_page(digest, stack=stack),
        _RESULT_FILE,
        digest.model_dump_json(indent=1),
        remedy=_REMEDY,
    )
    point_latest_at_newest(reports_dir / FOLDER)
    return published


def read_digest(reports_dir: Path, day: date) -> Digest | None:
    """None: there is none of the day, or it cannot be read."""
    path = reports_dir / FOLDER / day.isoformat() / _RESULT_FILE
    with suppress(OSError, ValidationError):  # not made yet, or damaged: it is made anew
        return Digest.model_validate_json(path.read_bytes())
    return None


def written_days(reports_dir: Path) -> tuple[date, ...]:
    """Those with a page, oldest first.

    Raises:
        ReportError: the directory exists but cannot be listed.
    """
    found = []
    for directory in report_directories(reports_dir / FOLDER):
        with suppress(ValueError):  # somebody else's folder
            found.append(date.fromisoformat(directory.name))
    return tuple(found)
