"""Where a volume is restored before it takes its place, and how it takes it: whole, or
everything is as it was.

The staging directory is hidden, private, on the same file system: beside the target, or inside of
it where that is a mount point, which cannot be renamed. All paths are relative to two directories:
`live_root`, which holds the live names, and the staging directory in it, which holds `new` and gets
what was replaced. A record on disk precedes the first rename and goes after the last; a killed swap
is finished from it.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.host.directories import opened, opened_below
from onyx_pipelines.host.mounts import is_mount_point
from onyx_pipelines.host.record_file import RecordFile
from onyx_pipelines.host.scratch import OwnedDirectory, abandoned, create_owned
from onyx_pipelines.restore.engine import Leftover
from onyx_pipelines.restore.volumes.renaming import (
    exchange,
    rename_to_new,
    sync_file_system,
)
from onyx_pipelines.restore.volumes.selection import Parts
from onyx_pipelines.restore.volumes.swap_record import (
    KeptPath,
    Placement,
    Stage,
    SwapRecord,
    unfinished_swap,
)
from onyx_pipelines.sources.volumes.walking import smallest_names

STAGING_PREFIX: Final = ".onyx-restore-"
NEW: Final = b"new"
_OLD: Final = b"old"
_NAMES_AT_A_TIME: Final = 10_000
_log = logging.getLogger(__name__)


class Swap:
    """One swap out of one staging directory, whose parent is `live_root`."""

    def __init__(self, staging: Path) -> None:
        self._staging = staging
        self._file = RecordFile(staging / "swap.json", SwapRecord)
        name = os.fsencode(staging.name)
        self._own_names = frozenset({name, name + b".lock"})

    def place(self, placements: Sequence[Placement]) -> None:
        """Put each staged entry where it belongs; what was there comes into the staging directory.

        Raises:
            RestoreError: one could not be; none is then.
        """
        self._run(SwapRecord(stage=Stage.PLACING, placements=tuple(placements)))

    def place_contents(self, kept: Sequence[KeptPath] = ()) -> None:
        """Everything in `live_root` but `kept` makes way for everything in `new`: for a root that
        cannot move.

        Not one step: whoever looks meanwhile sees a part. Raises as `place`.
        """
        (self._staging / os.fsdecode(_OLD)).mkdir(mode=0o700, exist_ok=True)
        staged_root = (self._staging / os.fsdecode(NEW)).stat()
        self._run(
            SwapRecord(
                stage=Stage.EMPTYING, root_mtime_ns=staged_root.st_mtime_ns, kept=tuple(kept)
            )
        )

    def finish_interrupted(self) -> bool:
        """Complete what a killed process began; False if there was nothing.

        Raises:
            RestoreError: it cannot be completed; nothing was lost, the text says where all is.
        """
        record = unfinished_swap(self._file)
        if record is None:
            return False
        try:
            self._forth(record)
            self._file.remove()
        except OSError as error:
            raise self._stuck(error) from None
        return True

    def _run(self, record: SwapRecord) -> None:
        try:
            # The data first: a record must not name what a power cut could take away.
            with opened(self._staging) as fd:
                sync_file_system(fd)
            self._file.write(record)
            self._forth(record)
        except BaseException as error:
            try:
                self._back()
                self._file.remove()
            except OSError as second:
                raise self._stuck(second) from error
            if isinstance(error, OSError):
                raise RestoreError(
                    f"The restored data could not be put in place in {self._staging.parent}"
                    f" ({error.strerror}); what was there is as it was.",
                    remedy="Check who may rename there, that no file system is mounted inside, and"
                    " that nothing there is immutable (lsattr). What an overlay has in a lower"
                    " layer cannot move: restore into another directory (--into).",
                ) from None
            raise
        try:
            self._file.remove()
        except OSError as error:
            raise self._stuck(error) from None

    def _forth(self, record: SwapRecord) -> None:
        with opened(self._staging.parent) as live_root_fd, opened(self._staging) as staging_fd:
            if record.stage is Stage.PLACING:
                for number, item in enumerate(record.placements):
                    _place(item, _old_name(number), live_root_fd, staging_fd)
                    _carry(item, _old_name(number), live_root_fd, staging_fd, back=False)
            else:
                self._exchange_contents(record, live_root_fd, staging_fd)
            os.fsync(live_root_fd)
            os.fsync(staging_fd)

    def _back(self) -> None:
        record = unfinished_swap(self._file)
        if record is None:
            return
        with opened(self._staging.parent) as live_root_fd, opened(self._staging) as staging_fd:
            if record.stage is Stage.PLACING:
                for number, item in reversed([*enumerate(record.placements)]):
                    _take_back(item, _old_name(number), live_root_fd, staging_fd)
                return
            with opened(NEW, staging_fd) as new_fd, opened(_OLD, staging_fd) as old_fd:
                if record.stage is Stage.FILLING:
                    for kept in record.kept:
                        _move_kept(kept, live_root_fd, old_fd, kept.old_mtime_ns)
                    self._move_all(live_root_fd, new_fd, staging_fd)
                self._move_all(old_fd, live_root_fd, staging_fd)

    def _exchange_contents(self, record: SwapRecord, live_root_fd: int, staging_fd: int) -> None:
        with opened(NEW, staging_fd) as new_fd, opened(_OLD, staging_fd) as old_fd:
            if record.stage is Stage.EMPTYING:
                self._move_all(live_root_fd, old_fd, staging_fd)
                self._file.write(record.model_copy(update={"stage": Stage.FILLING}))
            self._move_all(new_fd, live_root_fd, staging_fd)
            for kept in record.kept:
                _move_kept(kept, old_fd, live_root_fd, kept.new_mtime_ns)
            copy_metadata(new_fd, live_root_fd, mtime_ns=record.root_mtime_ns)

    def _move_all(self, source_fd: int, target_fd: int, staging_fd: int) -> None:
        """What somebody made meanwhile under a name that is needed goes into the staging
        directory."""
        while names := [
            name
            for name in smallest_names(source_fd, None, _NAMES_AT_A_TIME)[0]
            if name not in self._own_names
        ]:
            for name in names:
                try:
                    rename_to_new(name, source_fd, name, target_fd)
                except FileExistsError:
                    displaced = b"displaced-" + secrets.token_hex(8).encode()
                    rename_to_new(name, target_fd, displaced, staging_fd)
                    rename_to_new(name, source_fd, name, target_fd)

    def _stuck(self, error: OSError) -> RestoreError:
        return RestoreError(
            f"A restore in {self._staging.parent} stopped half way ({error.strerror}). Nothing is"
            f" lost: what was replaced, and what was to replace it, are in {self._staging}.",
            remedy="Mend that cause, then start the restore again: it first completes this one.",
        )


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


def leftovers_at(targets: Iterable[Path]) -> Iterator[Leftover]:
    """What killed restores left at these targets: a swap that had begun is completed, whatever had
    not come so far is removed."""
    folders = {folder for target in targets for folder in (target.parent, target)}
    for folder in sorted(folders):
        for owned in abandoned(folder, prefix=STAGING_PREFIX):
            yield Leftover(str(owned.path), partial(_recover, owned))


def folder_for(target: Path) -> Path:
    """Where the staging directory of a target is made."""
    return target if is_mount_point(target) else target.parent


def _recover(owned: OwnedDirectory) -> None:
    """Never removes what a swap still needs. Raises RestoreError: it cannot be completed."""
    folder = owned.path.parent
    try:
        if owned.path.is_dir():
            Swap(owned.path).finish_interrupted()
        before = folder.stat()
        owned.remove()
    finally:
        owned.release()
    with suppress(PermissionError):
        # Where it lay inside of a restored root, that root's own time is restored too.
        os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


def _place(item: Placement, old_name: bytes, live_root_fd: int, staging_fd: int) -> None:
    """Idempotent: does what is still to be done."""
    with (
        parent_of(staging_fd, item.staged) as (staged_fd, staged),
        parent_of(live_root_fd, item.live) as (live_fd, live),
    ):
        if _inode(staged, staged_fd) == item.inode:
            if _inode(live, live_fd) is None:
                rename_to_new(staged, staged_fd, live, live_fd)
            elif not exchange(staged, staged_fd, live, live_fd):
                os.rename(live, old_name, src_dir_fd=live_fd, dst_dir_fd=staging_fd)
                os.rename(staged, live, src_dir_fd=staged_fd, dst_dir_fd=live_fd)
        if _inode(live, live_fd) == item.inode:
            _set_time(live, live_fd, item.new_mtime_ns)
        os.fsync(live_fd)


def _set_time(name: bytes, parent_fd: int, mtime_ns: int | None) -> None:
    if mtime_ns is not None:
        with suppress(PermissionError):  # of another owner
            times = (mtime_ns, mtime_ns)
            os.utime(name, ns=times, dir_fd=parent_fd, follow_symlinks=False)


def _carry(
    item: Placement, old_name: bytes, live_root_fd: int, staging_fd: int, *, back: bool
) -> None:
    """What is kept goes from the replaced tree into the new one, or back; does what is still to be
    done."""
    if not item.kept:
        return
    has_old = _inode(old_name, staging_fd) is not None
    replaced: Parts = (old_name,) if has_old else item.staged
    with (
        parent_of(staging_fd, (*replaced, b".")) as (old_fd, _),
        parent_of(live_root_fd, (*item.live, b".")) as (live_fd, _),
    ):
        for kept in item.kept:
            if back:
                _move_kept(kept, live_fd, old_fd, kept.old_mtime_ns)
            else:
                _move_kept(kept, old_fd, live_fd, kept.new_mtime_ns)


def _move_kept(kept: KeptPath, source_fd: int, target_fd: int, mtime_ns: int) -> None:
    with ExitStack() as stack:
        try:
            from_fd, name = stack.enter_context(parent_of(source_fd, kept.path))
        except FileNotFoundError:
            return  # the tree is not there yet, so nothing of it was moved
        to_fd, _ = stack.enter_context(parent_of(target_fd, kept.path))
        if _inode(name, from_fd) is not None:
            rename_to_new(name, from_fd, name, to_fd)
        os.utime(to_fd, ns=(mtime_ns, mtime_ns))


def _take_back(item: Placement, old_name: bytes, live_root_fd: int, staging_fd: int) -> None:
    """Undo whatever part of `_place` was done, also none."""
    has_old = _inode(old_name, staging_fd) is not None
    with parent_of(staging_fd, item.staged) as (staged_fd, staged):
        replaced = _inode(staged, staged_fd)
        if replaced == item.inode and not has_old:
            return
        with parent_of(live_root_fd, item.live) as (live_fd, live):
            is_in_place = _inode(live, live_fd) == item.inode
            if is_in_place:
                _carry(item, old_name, live_root_fd, staging_fd, back=True)
            if is_in_place and not has_old and replaced is not None:
                exchange(staged, staged_fd, live, live_fd)
            elif is_in_place:
                os.rename(live, staged, src_dir_fd=live_fd, dst_dir_fd=staged_fd)
            if has_old:
                os.rename(old_name, live, src_dir_fd=staging_fd, dst_dir_fd=live_fd)
            if _inode(live, live_fd) is not None:
                _set_time(live, live_fd, item.old_mtime_ns)


def _old_name(number: int) -> bytes:
    return b"%s-%d" % (_OLD, number)


def _inode(name: bytes, parent_fd: int) -> int | None:
    try:
        return os.lstat(name, dir_fd=parent_fd).st_ino
    except FileNotFoundError:
        return None


@contextmanager
def parent_of(fd: int, parts: Parts) -> Iterator[tuple[int, bytes]]:
    """The directory of a path and the last name in it; no symbolic link on the way."""
    with opened_below(fd, parts[:-1]) as parent_fd:
        yield parent_fd, parts[-1]


def copy_metadata(source_fd: int, target_fd: int, *, mtime_ns: int) -> None:
    """Owner, attributes and mode of the source as far as this user may, and this time.

    Raises OSError.
    """
    status = os.fstat(source_fd)
    with suppress(PermissionError):  # it was extracted by this user, so nothing is lost by it
        os.chown(target_fd, status.st_uid, status.st_gid)
    wanted = {name: os.getxattr(source_fd, name) for name in _attribute_names(source_fd)}
    for name in _attribute_names(target_fd):
        # A label of the host's own security module is not the volume's.
        if name not in wanted and not name.startswith("security."):
            os.removexattr(target_fd, name)
    for name, value in wanted.items():
        if not name.startswith("security."):
            os.setxattr(target_fd, name, value)
    os.chmod(target_fd, status.st_mode & 0o7777)
    os.utime(target_fd, ns=(mtime_ns, mtime_ns))


def _attribute_names(fd: int) -> list[str]:
    try:
        return os.listxattr(fd)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise
