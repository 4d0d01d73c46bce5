"""What lies at a target and in no backup: it stays where it is when a restore replaces the rest.

That is what the set lacks (it was excluded, or could not be read), and what a safety backup would
lack today for the same reasons.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.core.settings import VolumeSettings
from onyx_pipelines.core.text import count_text
from onyx_pipelines.host.directories import opened
from onyx_pipelines.restore.volumes.live_tree import holds_anything, refuse_immovable
from onyx_pipelines.restore.volumes.selection import Parts, Reach, Selection, parts_of
from onyx_pipelines.restore.volumes.swap_record import KeptPath
from onyx_pipelines.restore.volumes.swapping import STAGING_PREFIX, copy_metadata
from onyx_pipelines.restore.volumes.volume_findings import shown
from onyx_pipelines.restore.volumes.volume_objects import VolumeObjects, open_facts
from onyx_pipelines.sources.volumes.excludes import ExcludeRule, exclude_rule
from onyx_pipelines.sources.volumes.facts import Entry, EntryStatus
from onyx_pipelines.sources.volumes.walking import Found, Walk
from onyx_pipelines.vault.reading import SetObjects

# They are named in the record of the swap.
_MOST: Final = 100_000
_EXAMPLES: Final = 3


def kept_paths(
    objects: SetObjects,
    volume: VolumeObjects,
    directory: Path,
    selection: Selection,
    settings: VolumeSettings,
) -> tuple[Parts, ...]:
    """Files and subtrees of `directory` that are to stay, sorted; what they hold stays with them.

    Raises:
        RestoreError: what is mounted or immutable there cannot make way; or something cannot stay:
            the set has something else in its place, or this user may not move it.
        IntegrityError: the facts are damaged.
    """
    refuse_immovable(directory, selection)
    if not holds_anything(directory):
        return ()
    lacking = _Lacking.of(objects, volume)
    excludes = settings.excludes_of(volume.name)
    candidates = _candidates(directory, selection, lacking, excludes)
    if candidates.found:
        with open_facts(objects, volume) as (_, entries):
            in_the_way = _in_the_way(candidates.found, entries)
        _refuse(directory, sorted(in_the_way | candidates.immovable))
    return tuple(sorted(candidates.found))


def kept_sentence(kept: Sequence[Parts]) -> str:
    """For people; empty where there is none."""
    if not kept:
        return ""
    stay = (
        "is in no backup and stays as it is"
        if len(kept) == 1
        else ("are in no backup and stay as they are")
    )
    return f"{count_text(len(kept), 'path')} {stay}: {_named(kept)}"


def stay_with(
    kept: Iterable[Parts], root: Parts, live_root: Path, staged_root: Path
) -> tuple[KeptPath, ...]:
    """Those below `root`, relative to it, for whose parents there is a place in what was staged.

    Raises:
        OSError: there is none, and none can be made.
    """
    below = [parts[len(root) :] for parts in kept if parts[: len(root)] == root]
    with ExitStack() as stack:
        live_fd = stack.enter_context(opened(os.fsencode(live_root))) if below else -1
        staged_fd = stack.enter_context(opened(os.fsencode(staged_root))) if below else -1
        times = {parts[:-1]: _make_folder(parts[:-1], live_fd, staged_fd) for parts in below}
    return tuple(
        KeptPath(path=parts, old_mtime_ns=old, new_mtime_ns=new)
        for parts in below
        for old, new in [times[parts[:-1]]]
    )


@dataclass(frozen=True)
class _Lacking:
    """What a set lacks of a volume. `unlisted`: directories whose content is unknown to it."""

    excludes: tuple[str, ...]
    unread: frozenset[Parts]
    unlisted: frozenset[Parts]

    @classmethod
    def of(cls, objects: SetObjects, volume: VolumeObjects) -> Self:
        unread: set[Parts] = set()
        unlisted: set[Parts] = set()
        closed: Parts | None = None
        with open_facts(objects, volume) as (header, entries):
            for entry in entries:
                parts = parts_of(entry.path)
                if closed is not None and parts[: len(closed)] != closed:
                    unlisted.add(closed)
                closed = None
                if entry.status is EntryStatus.UNREADABLE:
                    if not entry.archived:
                        unread.add(parts)
                    elif entry.type is EntryType.DIRECTORY:
                        closed = parts
        if closed is not None:
            unlisted.add(closed)
        return cls(header.excludes, frozenset(unread), frozenset(unlisted))


class _Candidates(ExcludeRule):
    """Notes each path that no backup holds, and keeps the walk out of it."""

    def __init__(self, selection: Selection, lacking: _Lacking, excludes: Sequence[str]) -> None:
        self.found: set[Parts] = set()
        self.immovable: set[Parts] = set()
        self._selection = selection
        self._lacking = lacking
        self._is_excluded = exclude_rule((*lacking.excludes, *excludes))

    def __call__(self, path: bytes, *, is_directory: bool) -> bool:
        parts = parts_of(path)
        reach = self._selection.reach(parts)
        if reach is not Reach.CHOSEN or parts[0].startswith(os.fsencode(STAGING_PREFIX)):
            return reach is not Reach.ABOVE
        if (
            parts in self._lacking.unread
            or parts[:-1] in self._lacking.unlisted
            or self._is_excluded(path, is_directory=is_directory)
        ):
            self._add(parts)
            return True
        return False

    def look_at(self, found: Found) -> None:
        """What this user cannot read is in no backup of today."""
        parts = parts_of(found.path)
        is_chosen = self._selection.reach(parts) is Reach.CHOSEN
        if not is_chosen or _may(os.R_OK, found) or _has_vanished(found):
            return
        self._add(parts)
        # A directory that goes to another one is written to.
        if found.file is None or (stat.S_ISDIR(found.file.st_mode) and not _may(os.W_OK, found)):
            self.immovable.add(parts)

    def _add(self, parts: Parts) -> None:
        self.found.add(parts)
        if len(self.found) > _MOST:
            raise RestoreError(
                f"More than {count_text(_MOST, 'path')} there are in no backup, and would be lost.",
                remedy="Exclude their directories as a whole, or move them away first.",
            )


def _candidates(
    directory: Path, selection: Selection, lacking: _Lacking, excludes: Sequence[str]
) -> _Candidates:
    candidates = _Candidates(selection, lacking, excludes)
    with ExitStack() as stack:
        for found in Walk(stack.enter_context(opened(os.fsencode(directory))), candidates):
            candidates.look_at(found)
    return candidates


def _may(mode: int, found: Found) -> bool:
    """Other kinds of files are archived without being opened."""
    if found.file is None:
        return False
    if not stat.S_ISREG(found.file.st_mode) and not stat.S_ISDIR(found.file.st_mode):
        return True
    if found.error is not None and mode == os.R_OK:
        return False
    return os.access(found.name, mode, dir_fd=found.parent_fd, effective_ids=True)


def _has_vanished(found: Found) -> bool:
    """Since it was listed: whoever uses the volume goes on until data changes places."""
    try:
        os.lstat(found.name, dir_fd=found.parent_fd)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _in_the_way(unheld: set[Parts], entries: Iterable[Entry]) -> set[Parts]:
    """Of those that are to stay, the ones that cannot because of what the set has."""
    above = {parts[:length] for parts in unheld for length in range(1, len(parts))}
    taken: set[Parts] = set()
    for entry in entries:
        parts = parts_of(entry.path)
        if entry.archived and (
            parts in unheld or (parts in above and entry.type is not EntryType.DIRECTORY)
        ):
            taken.add(parts)
    return {
        parts
        for parts in unheld
        if any(parts[:length] in taken for length in range(1, len(parts) + 1))
    }


def _refuse(directory: Path, paths: Sequence[Parts]) -> None:
    if paths:
        raise RestoreError(
            f"{count_text(len(paths), 'path')} in {directory} would be lost: this user cannot read"
            " it or it is excluded, so no backup has it, and it cannot stay beside what the set"
            f" has ({_named(paths)}).",
            remedy="Restore as a user who may read it, take its pattern out of"
            " ONYX_VOLUME_EXCLUDES, move it away, or restore into another directory (--into).",
        )


def _make_folder(folder: Parts, live_fd: int, staged_fd: int) -> tuple[int, int]:
    """What the set lacks of the way to a kept path is made like the live one; gives the times of
    both."""
    with ExitStack() as stack:
        for name in folder:
            live_fd = stack.enter_context(opened(name, live_fd))
            parent_fd, before = staged_fd, os.fstat(staged_fd).st_mtime_ns
            is_new = _mkdir(name, parent_fd)
            staged_fd = stack.enter_context(opened(name, parent_fd))
            if is_new:
                os.utime(parent_fd, ns=(before, before))
                copy_metadata(live_fd, staged_fd, mtime_ns=os.fstat(live_fd).st_mtime_ns)
        return os.fstat(live_fd).st_mtime_ns, os.fstat(staged_fd).st_mtime_ns


def _mkdir(name: bytes, parent_fd: int) -> bool:
    """False: it is there already."""
    try:
        os.mkdir(name, 0o700, dir_fd=parent_fd)
    except FileExistsError:
        return False
    return True


def _named(paths: Sequence[Parts]) -> str:
    more = ", …" if len(paths) > _EXAMPLES else ""
    return ", ".join(shown(b"/".join(parts)) for parts in paths[:_EXAMPLES]) + more
