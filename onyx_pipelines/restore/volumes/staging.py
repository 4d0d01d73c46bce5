"""Where a volume is restored before it takes its place: hidden, private, on the same file system.

Beside the target; inside of it where the target is a mount point, which cannot be renamed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.host.mounts import is_mount_point
from onyx_pipelines.host.scratch import OwnedDirectory, abandoned, create_owned
from onyx_pipelines.restore.volumes.swapping import NEW, Swap

_log = logging.getLogger(__name__)

STAGING_PREFIX: Final = ".onyx-restore-"


class Staging:
    """`new` and `link_sources` are empty at first."""

    def __init__(self, directory: Path, target: Path) -> None:
        self.directory = directory
        self.is_inside = directory.parent == target
        self.new = directory / os.fsdecode(NEW)
        self.link_sources = directory / "link_sources"
        self.swap = Swap(directory)
        self.new.mkdir(mode=0o700)
        self.link_sources.mkdir(mode=0o700)


@contextmanager
def staging_for(target: Path) -> Iterator[Staging]:
    """A staging directory for the block; removed at its end, with what it then holds.

    Raises:
        RestoreError: it cannot be made.
    """
    owned = create_owned(folder_for(target), prefix=STAGING_PREFIX)
    try:
        yield Staging(owned.path, target)
    finally:
        try:
            _recover(owned)
        except (OSError, RestoreError) as error:
            _log.warning("%s is left for the next restore (%s)", owned.path, error)
            owned.release()


def recover_interrupted(targets: Iterable[Path]) -> list[Path]:
    """Finish or undo what killed restores left at these targets; returns their staging directories.

    A swap that had begun is completed. Whatever had not come so far is removed.

    Raises:
        RestoreError: a swap cannot be completed.
    """
    recovered: list[Path] = []
    folders = {folder for target in targets for folder in (target.parent, target)}
    for folder in sorted(folders):
        for owned in abandoned(folder, prefix=STAGING_PREFIX):
            try:
                _recover(owned)
            except OSError as error:
                _log.warning("%s could not be removed (%s)", owned.path, error)
            else:
                recovered.append(owned.path)
            finally:
                owned.release()
    return recovered


def folder_for(target: Path) -> Path:
    """Where the staging directory of a target is made."""
    return target if is_mount_point(target) else target.parent


def _recover(owned: OwnedDirectory) -> None:
    """Never removes what a swap still needs."""
    folder = owned.path.parent
    if owned.path.is_dir():
        Swap(owned.path).finish_interrupted()
    before = folder.stat()
    owned.remove()
    with suppress(PermissionError):
        # Where it lay inside of a restored root, that root's own time is restored too.
        os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
