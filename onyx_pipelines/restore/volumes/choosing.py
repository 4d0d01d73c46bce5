"""From the paths that a person names to what is extracted, and to what then changes places."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from onyx_pipelines.core.errors import NotFoundError, RestoreError
from onyx_pipelines.host.directories import opened
from onyx_pipelines.restore.volumes.keeping import stay_with
from onyx_pipelines.restore.volumes.live_tree import existing_part
from onyx_pipelines.restore.volumes.selection import (
    WHOLE,
    Parts,
    Reach,
    Selection,
    parts_of,
    select,
)
from onyx_pipelines.restore.volumes.swap_record import Placement
from onyx_pipelines.restore.volumes.swapping import NEW, parent_of
from onyx_pipelines.restore.volumes.volume_findings import shown
from onyx_pipelines.restore.volumes.volume_objects import VolumeObjects, open_facts
from onyx_pipelines.vault.reading import SetObjects


def selection_in(objects: SetObjects, volume: VolumeObjects, paths: tuple[str, ...]) -> Selection:
    """The selection of these paths, completed by what the archive keeps elsewhere for them.

    Raises:
        NotFoundError: the archive has nothing at one of the paths.
        SettingsError: one is no path inside of a volume.
        IntegrityError: the facts are damaged.
    """
    selection = select(paths)
    if selection.chosen is None:
        return WHOLE
    absent = set(selection.chosen)
    sources: set[Parts] = set()
    with open_facts(objects, volume) as (_, entries):
        for entry in entries:
            parts = parts_of(entry.path)
            if not entry.archived or selection.reach(parts) is not Reach.CHOSEN:
                continue
            absent.discard(parts)
            if entry.hard_link_to is not None:
                source = parts_of(entry.hard_link_to)
                if selection.reach(source) is not Reach.CHOSEN:
                    sources.add(source)
    if absent:
        raise NotFoundError(
            f"The backup of the volume {volume.name!r} has nothing at"
            f" {', '.join(sorted(shown(b'/'.join(parts)) for parts in absent))}.",
            remedy="Name paths relative to the volume's root, as they were when it was backed up.",
        )
    return replace(selection, link_sources=frozenset(sources))


def replaced_paths(target: Path, selection: Selection) -> list[Parts]:
    """The chosen paths that exist at the target now; none where the whole volume is chosen.

    Raises:
        RestoreError: something on the way to one is no directory.
    """
    return [
        parts for parts in sorted(selection.chosen or ()) if existing_part(target, parts) == parts
    ]


def placements_of(
    target: Path, selection: Selection, staging: Path, kept: Sequence[Parts]
) -> list[Placement]:
    """What changes places: the root itself, or each chosen path with the directories it lacks.

    Args:
        kept: what of the target is to stay, relative to it.

    Raises:
        RestoreError: something on the way to one is no directory.
        OSError: what was staged is not there.
    """
    in_live_root: Parts = () if staging.parent == target else (os.fsencode(target.name),)
    if selection.chosen is None or not target.exists():
        roots: set[Parts] = {()}
    else:
        roots = {parts[: len(existing_part(target, parts)) + 1] for parts in selection.chosen}
    placements = []
    for parts in sorted(roots):
        staged, live = (NEW, *parts), (*in_live_root, *parts)
        new = _status(staging, staged)
        if new is None:
            raise RestoreError(
                f"{shown(b'/'.join(parts))} was not restored, so it cannot be put in place.",
                remedy="If it is a device node, ask for those; otherwise choose another path.",
            )
        old = _status(staging.parent, live)
        places = (_path(staging.parent, live), _path(staging, staged))
        placements.append(
            Placement(
                live=live,
                staged=staged,
                inode=new.st_ino,
                new_mtime_ns=new.st_mtime_ns,
                old_mtime_ns=None if old is None else old.st_mtime_ns,
                kept=stay_with(kept, parts, *places),
            )
        )
    return placements


def _path(folder: Path, parts: Parts) -> Path:
    return folder.joinpath(*map(os.fsdecode, parts))


def _status(folder: Path, parts: Parts) -> os.stat_result | None:
    """None: it is not there. Step by step: a path may be longer than the kernel takes at once."""
    try:
        with opened(folder) as fd, parent_of(fd, parts) as (parent_fd, name):
            return os.lstat(name, dir_fd=parent_fd)
    except FileNotFoundError:
        return None
