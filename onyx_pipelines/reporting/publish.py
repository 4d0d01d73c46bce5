"""Puts a report on disk: all of it or none, and a pointer to the newest one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.logs import logger
from onyx_pipelines.host.durable_files import create_durably, sync_folder

R = TypeVar("R")
_HTML_FILE: Final = "report.html"
_LATEST: Final = "latest"
_UNFINISHED: Final = ".unfinished-"
_UNFINISHED_LIFE: Final = timedelta(hours=1)


class ReportError(OnyxError):
    """Reports could not be read or written.

    Cause: a full disk or a missing right in ONYX_REPORTS_DIR.
    Remedy: free space or correct the rights; the report is made again from the stored result.
    """

    code = "report"


@dataclass(frozen=True)
class Published:
    """Where a report lies: its page, and its result as data."""

    directory: Path
    html: Path
    result: Path


def publish(directory: Path, page: str, result_file: str, result: str, *, remedy: str) -> Published:
    """Write page and result into `directory`, over those of an earlier writing, each at once.

    Files are readable for the owner and the group: they name tables, collections and paths.

    Raises:
        ReportError: nothing was written, or (a report written again) not everything. `remedy` says
            what to do besides making room.
    """
    folder = directory.parent
    contents = {_HTML_FILE: page, result_file: result}
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        _sweep(folder)
        with _unfinished(folder) as unfinished:
            for name, text in contents.items():
                create_durably(unfinished / name, text.encode(), mode=0o640)
            if directory.exists():
                for name in contents:
                    (unfinished / name).replace(directory / name)
                sync_folder(directory)
            else:
                unfinished.rename(directory)
            sync_folder(folder)
    except OSError as error:
        raise ReportError(
            f"The report cannot be written to {folder}: {error.strerror}.",
            remedy=f"Free space there, give this user the directory, or name another one in"
            f" ONYX_REPORTS_DIR. {remedy}",
        ) from error
    return Published(directory, directory / _HTML_FILE, directory / result_file)


def point_latest_at(directory: Path) -> None:
    """`latest` beside it leads there. A convenience: its failure is logged, the report stands."""
    link = directory.with_name(_LATEST)
    temporary = directory.with_name(f"{_UNFINISHED}{_LATEST}")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(directory.name, target_is_directory=True)
        temporary.replace(link)
    except OSError as error:
        logger("reporting").warning(
            "the link to the newest report could not be set",
            extra={"link": str(link), "reason": error.strerror},
        )


def point_latest_at_newest(folder: Path) -> None:
    """At the last one by name, for reports that are named for their time.

    Raises:
        ReportError: the folder cannot be listed.
    """
    point_latest_at(max(report_directories(folder), key=lambda each: each.name))


def report_directories(folder: Path) -> list[Path]:
    """Each report there, by name; none if there is no such folder.

    Raises:
        ReportError: it cannot be listed.
    """
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ReportError(
            f"The reports in {folder} cannot be listed: {error.strerror}.",
            remedy="Give this user the directory, or name another one for reports.",
        ) from error
    return [
        entry
        for entry in entries
        if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith(".")
    ]


@dataclass(frozen=True)
class Unreadable:
    """A report whose result could not be read, and why."""

    directory: Path
    reason: str


def read_results(
    folder: Path, result_file: str, parse: Callable[[bytes], R]
) -> tuple[list[R], list[Unreadable]]:
    """The result of each report there, by the report's name, and what could not be read: that is in
    the log too, and never just missing.

    Raises:
        ReportError: the folder exists but cannot be listed.
    """
    results: list[R] = []
    unreadable: list[Unreadable] = []
    for directory in report_directories(folder):
        try:
            results.append(parse((directory / result_file).read_bytes()))
        except OSError as error:
            unreadable.append(Unreadable(directory, f"{result_file}: {error.strerror}"))
        except ValidationError as error:
            unreadable.append(Unreadable(directory, f"{result_file}: {_first_wrong(error)}"))
    for each in unreadable:
        logger("reporting").warning(
            "an earlier report's result cannot be read",
            extra={"directory": str(each.directory), "reason": each.reason},
        )
    return results, unreadable


def _first_wrong(error: ValidationError) -> str:
    """Where and what, without quoting content."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
    try:
        path.chmod(0o750)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Removes what a killed process left half-written."""
    oldest = datetime.now(UTC) - _UNFINISHED_LIFE
    for entry in folder.glob(f"{_UNFINISHED}*"):
        if datetime.fromtimestamp(entry.lstat().st_mtime, UTC) < oldest:
            shutil.rmtree(entry, ignore_errors=True)
