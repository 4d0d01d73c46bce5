"""What is at a target now, before anything is restored there. Reads only."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.host.directories import DIRECTORY_FLAGS
from onyx_pipelines.host.inode_flags import is_unchangeable
from onyx_pipelines.host.mounts import is_mount_point, mount_points
from onyx_pipelines.restore.volumes.selection import Parts, Reach, Selection
from onyx_pipelines.restore.volumes.volume_findings import shown


def refuse_immovable(directory: Path, selection: Selection) -> None:
    """Raises RestoreError: something that is mounted or immutable cannot make way."""
    _refuse_mounts(directory, selection)
    _refuse_immutable(directory, selection)


def _refuse_mounts(directory: Path, selection: Selection) -> None:
    """A restore would move or delete, with what it replaces, what is mounted in it.

    Raises:
        RestoreError: something is mounted where it would be, or that cannot be known.
    """
    root = os.fsencode(os.path.realpath(directory))
    try:
        points = mount_points()
    except OSError as error:
        raise RestoreError(
            f"What is mounted in {directory} cannot be known ({error.strerror}).",
            remedy="Give this process a /proc.",
        ) from None
    for point in points:
        if not point.startswith(root.rstrip(b"/") + b"/"):
            continue
        parts = tuple(point[len(root) :].strip(b"/").split(b"/"))
        if selection.reach(parts) is not Reach.OUTSIDE:
            raise RestoreError(
                f"{directory} holds {shown(b'/'.join(parts))}, which is mounted there: its data is"
                " not the volume's, and a restore would delete it.",
                remedy="Unmount it and mount it again afterwards, or restore into another directory"
                " (--into), or single paths beside it (--path).",
            )


def _refuse_immutable(directory: Path, selection: Selection) -> None:
    """What is to make way, and the directory that it lies in, must be movable.

    Raises:
        RestoreError: one of them is immutable.
    """
    stuck = [path for path in _making_way(directory, selection) if _is_immutable(path)]
    if stuck:
        raise RestoreError(
            f"{shown(os.fsencode(stuck[0]))} is immutable, or files can only be added to it, so"
            " that nothing can take its place.",
            remedy="See `lsattr -d`; `chattr -i -a` makes it mutable.",
        )


def _making_way(directory: Path, selection: Selection) -> Iterator[Path]:
    yield directory
    if selection.chosen is None:
        if is_mount_point(directory):  # which stays where it is
            with os.scandir(directory) as entries:
                yield from (directory / entry.name for entry in entries)
        return
    for parts in sorted(selection.chosen):
        there = existing_part(directory, parts)
        if there == parts:
            yield directory.joinpath(*map(os.fsdecode, there))
        yield directory.joinpath(*map(os.fsdecode, parts[: min(len(there), len(parts) - 1)]))


def _is_immutable(path: Path) -> bool:
    """What cannot be opened has no flags, or is not this user's to move anyway."""
    try:
        if not stat.S_ISREG(mode := path.lstat().st_mode) and not stat.S_ISDIR(mode):
            return False
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return is_unchangeable(fd)
    finally:
        os.close(fd)


def holds_anything(directory: Path) -> bool:
    """False if it is absent or empty.

    Raises:
        RestoreError: it is no directory, or cannot be read.
    """
    try:
        with os.scandir(directory) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False
    except OSError as error:
        raise RestoreError(
            f"A volume cannot be restored to {directory} ({error.strerror}).",
            remedy="Name a directory that this user may read and write.",
        ) from None


def existing_part(directory: Path, parts: Parts) -> Parts:
    """As much of a path as exists below `directory`; all of it if its end is there.

    Raises:
        RestoreError: on the way lies something that is no directory, such as a symbolic link.
    """
    try:
        fd = os.open(directory, DIRECTORY_FLAGS)
    except FileNotFoundError:
        return ()
    try:
        for count, name in enumerate(parts):
            try:
                mode = os.lstat(name, dir_fd=fd).st_mode
            except FileNotFoundError:
                return parts[:count]
            if count == len(parts) - 1:
                return parts
            if not stat.S_ISDIR(mode):
                raise RestoreError(
                    f"{shown(b'/'.join(parts))} cannot be restored into {directory}:"
                    f" {shown(b'/'.join(parts[: count + 1]))} is no directory there.",
                    remedy="Move that away, or restore the path into another directory.",
                )
            below = os.open(name, DIRECTORY_FLAGS, dir_fd=fd)
            os.close(fd)
            fd = below
    finally:
        os.close(fd)
    return parts
