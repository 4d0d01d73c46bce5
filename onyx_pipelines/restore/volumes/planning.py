"""What a restore does to one volume, or to paths of one, for a person who decides. Reads only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from onyx_pipelines.core.settings import VolumeSettings
from onyx_pipelines.core.text import count_text
from onyx_pipelines.host.directories import opened
from onyx_pipelines.host.mounts import is_mount_point
from onyx_pipelines.host.scratch import shortage_bytes
from onyx_pipelines.restore.engine import PlannedChange
from onyx_pipelines.restore.volumes.choosing import replaced_paths, selection_in
from onyx_pipelines.restore.volumes.keeping import kept_paths, kept_sentence
from onyx_pipelines.restore.volumes.live_tree import holds_anything
from onyx_pipelines.restore.volumes.locating import RestoreTarget
from onyx_pipelines.restore.volumes.selection import WHOLE
from onyx_pipelines.restore.volumes.swapping import folder_for
from onyx_pipelines.restore.volumes.volume_findings import shown
from onyx_pipelines.restore.volumes.volume_objects import needed_bytes
from onyx_pipelines.sources.volumes.containers import names_of_users
from onyx_pipelines.sources.volumes.excludes import exclude_rule
from onyx_pipelines.sources.volumes.walking import measure_bytes
from onyx_pipelines.vault.reading import SetObjects

# A larger tree is not measured: a plan should not take minutes.
_MEASURED_ENTRIES: Final = 100_000


def volume_change(
    objects: SetObjects, target: RestoreTarget, settings: VolumeSettings
) -> PlannedChange:
    kept = kept_paths(objects, target.volume, target.directory, WHOLE, settings)
    overwrites = holds_anything(target.directory)
    sentences = [f"The archive has {count_text(target.volume.plain_bytes, 'byte')}."]
    if target.is_recipe:
        sentences.append("Put there to be looked at: copy what this machine needs to its places.")
    if overwrites:
        sentences.append(f"What is there now is removed ({_measured(target.directory)}).")
    if kept:
        sentences.append(f"But {kept_sentence(kept)}.")
    sentences += _how(objects, target, settings, is_whole=True)
    return PlannedChange(
        what=f"volume {target.volume.name}",
        target=str(target.directory),
        overwrites=overwrites,
        detail=" ".join(sentences),
    )


def path_changes(
    objects: SetObjects,
    paths: tuple[str, ...],
    target: RestoreTarget,
    settings: VolumeSettings,
) -> list[PlannedChange]:
    selection = selection_in(objects, target.volume, paths)
    kept_paths(objects, target.volume, target.directory, selection, settings)
    replaced = set(replaced_paths(target.directory, selection))
    how = _how(objects, target, settings, is_whole=False)
    return [
        PlannedChange(
            what=f"{shown(b'/'.join(parts))} of volume {target.volume.name}",
            target=shown(os.path.join(os.fsencode(target.directory), *parts)),  # noqa: PTH118  (bytes)
            overwrites=parts in replaced,
            detail=" ".join(
                [
                    "It takes the place of what is there; a directory does so with all it holds."
                    if parts in replaced
                    else "Nothing is there now.",
                    *how,
                ]
            ),
        )
        for parts in sorted(selection.chosen or ())
    ]


def _how(
    objects: SetObjects, target: RestoreTarget, settings: VolumeSettings, *, is_whole: bool
) -> list[str]:
    sentences = []
    moves_contents = is_whole and is_mount_point(target.directory)
    if moves_contents:
        sentences.append(
            "It is a mount point, so its contents change places one after the other, not at once."
        )
    shortage = shortage_bytes(folder_for(target.directory), needed_bytes(objects, target.volume))
    if shortage and is_whole:
        sentences.append(
            f"Its file system is {count_text(shortage, 'byte')} too small for old and new side by"
            " side: the restore will refuse."
        )
    if target.missing is not None:
        sentences.append(
            f"The Docker volume {target.missing.name} is made first, {target.missing.described()}."
        )
    users = names_of_users(settings, target.directory, target.configured_as)
    if users:
        sentences.append(
            f"Stopped while the data changes places, and started again: {', '.join(users)}."
        )
    elif users is None and target.configured_as is not None:
        sentences.append(
            "This host has no Docker engine: whatever else uses the directory must be stopped first"
            + (", or keeps the old files." if is_whole and not moves_contents else ".")
        )
    return sentences


def _measured(directory: Path) -> str:
    with opened(directory) as fd:
        size = measure_bytes(fd, exclude_rule(()), max_entries=_MEASURED_ENTRIES)
    if size is None:
        return f"more than {count_text(_MEASURED_ENTRIES, 'file')}"
    return f"{count_text(size, 'byte')} in its files"
