"""An archive into one new directory: every name relative to a directory that was made just before.

Nothing is opened through a symbolic link and nothing that exists is opened at all, so nothing
outside of the root can be reached, whatever the archive says.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from typing import Final

from onyx_pipelines.archive.headers import EntryType
from onyx_pipelines.archive.reading import Archive, Member, refused
from onyx_pipelines.core.errors import RestoreError
from onyx_pipelines.host.directories import DIRECTORY_FLAGS, Level, Levels, opened_below
from onyx_pipelines.restore.volumes.metadata import (
    Limit,
    apply_to_name,
    apply_to_open_file,
    drop_inherited_lists,
)
from onyx_pipelines.restore.volumes.selection import WHOLE, Parts, Reach, Selection

_NEW_FILE_FLAGS: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
)


class Extractor:
    """Extracts one archive into the empty directory `root_fd`, which stays open and the caller's.

    Args:
        make_devices: otherwise device nodes are left out, as a limit.
        link_sources_fd: a directory beside it for content that only links refer to; None: there
            is no selection.
    """

    def __init__(
        self,
        root_fd: int,
        *,
        make_devices: bool,
        selection: Selection = WHOLE,
        link_sources_fd: int | None = None,
    ) -> None:
        self._root_fd = root_fd
        self._make_devices = make_devices
        self._selection = selection
        self._link_sources_fd = link_sources_fd
        self._staged_sources: dict[Parts, bytes] = {}
        self._left_out: set[Parts] = set()
        self._levels = Levels[_Filled]()
        self.limits: set[Limit] = set()

    def extract(self, archive: Archive) -> None:
        """Everything that was selected; the archive is read to its end in any case.

        Raises:
            IntegrityError: the archive is damaged or would do harm; what was made is to be removed.
            RestoreError: the directory is not empty.
            OSError: the file system refuses (no room, a name that it cannot hold).
        """
        with os.scandir(self._root_fd) as entries:
            if next(entries, None) is not None:
                raise RestoreError(
                    "An archive is extracted into empty directories only.",
                    remedy="Name one that is empty or does not exist.",
                )
        drop_inherited_lists(self._root_fd)
        try:
            for member in archive.members():
                self._add(archive, member)
            while self._levels:
                self._leave()
        finally:
            self._levels.close()

    def _add(self, archive: Archive, member: Member) -> None:
        reach = self._selection.reach(member.parts)
        if reach is Reach.OUTSIDE:
            if member.parts in self._selection.link_sources:
                self._stage_source(archive, member)
            return
        if reach is Reach.ABOVE and member.type is not EntryType.DIRECTORY:
            return  # what was chosen below it does not exist, which shows elsewhere
        parent_fd = self._parent_fd(member)
        name = member.parts[-1] if member.parts else b"."
        if member.type is EntryType.DIRECTORY:
            self._enter(member, name, parent_fd)
        elif member.hard_link_to is not None:
            self._link(member, name, parent_fd)
        elif member.type is EntryType.FILE:
            self._write_file(archive, member, name, parent_fd)
        else:
            self._make_special(member, name, parent_fd)

    def _parent_fd(self, member: Member) -> int:
        """Leave the directories that are complete now."""
        above = member.parts[:-1]
        while self._levels and self._levels.last.parts != above[: len(self._levels.last.parts)]:
            self._leave()
        if not member.parts:
            return self._root_fd
        if not self._levels or self._levels.last.parts != above:
            raise refused(f"has {member.path[:300]!r} without its directory")
        return self._levels.last.fd

    def _enter(self, member: Member, name: bytes, parent_fd: int) -> None:
        if member.parts:
            os.mkdir(name, 0o700, dir_fd=parent_fd)
        self._levels.enter(_Filled(member, os.open(name, DIRECTORY_FLAGS, dir_fd=parent_fd)))

    def _leave(self) -> None:
        """A directory gets its own mode and time last: what came into it has changed both."""
        with self._levels.leaving() as left:
            apply_to_open_file(left.fd, left.member, self.limits)

    def _write_file(self, archive: Archive, member: Member, name: bytes, parent_fd: int) -> None:
        fd = os.open(name, _NEW_FILE_FLAGS, 0o600, dir_fd=parent_fd)
        try:
            for offset, piece in archive.content(member):
                _write_all(fd, piece, offset)
            if os.fstat(fd).st_size != member.segments.size_bytes:
                os.truncate(fd, member.segments.size_bytes)
            apply_to_open_file(fd, member, self.limits)
        finally:
            os.close(fd)

    def _link(self, member: Member, name: bytes, parent_fd: int) -> None:
        source = member.hard_link_to or ()
        if source >= member.parts:
            raise refused(f"has the link {member.path[:300]!r} to what does not come before it")
        if source in self._left_out:
            self.limits.add(Limit.DEVICES)
            return
        staged = self._staged_sources.get(source)
        if staged is not None and self._link_sources_fd is not None:
            _link_to(staged, self._link_sources_fd, name, parent_fd)
            return
        with ExitStack() as stack:
            try:
                folder_fd = stack.enter_context(opened_below(self._root_fd, source[:-1]))
                is_linkable = not stat.S_ISDIR(os.lstat(source[-1], dir_fd=folder_fd).st_mode)
            except OSError:
                is_linkable = False
            if not is_linkable:
                raise refused(f"has the link {member.path[:300]!r} to a file that it does not have")
            _link_to(source[-1], folder_fd, name, parent_fd)

    def _stage_source(self, archive: Archive, member: Member) -> None:
        if (
            self._link_sources_fd is None
            or member.type is EntryType.DIRECTORY
            or member.hard_link_to
        ):
            return
        name = b"%d" % len(self._staged_sources)
        self._staged_sources[member.parts] = name
        if member.type is EntryType.FILE:
            self._write_file(archive, member, name, self._link_sources_fd)
        else:
            self._make_special(member, name, self._link_sources_fd)

    def _make_special(self, member: Member, name: bytes, parent_fd: int) -> None:
        if member.type is EntryType.SYMLINK:
            os.symlink(member.link_target, name, dir_fd=parent_fd)
        elif member.type is EntryType.FIFO:
            os.mkfifo(name, 0o600, dir_fd=parent_fd)
        elif not self._make_device(member, name, parent_fd):
            self.limits.add(Limit.DEVICES)
            self._left_out.add(member.parts)
            return
        apply_to_name(name, parent_fd, member, self.limits)

    def _make_device(self, member: Member, name: bytes, parent_fd: int) -> bool:
        if not self._make_devices:
            return False
        kind = stat.S_IFCHR if member.type is EntryType.CHARACTER_DEVICE else stat.S_IFBLK
        try:
            os.mknod(name, kind | 0o600, os.makedev(*member.device), dir_fd=parent_fd)
        except PermissionError:
            return False
        return True


class _Filled(Level):
    """One directory that is being filled."""

    def __init__(self, member: Member, fd: int) -> None:
        super().__init__(fd)
        self.member = member
        self.parts = member.parts


def _write_all(fd: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


def _link_to(source: bytes, source_fd: int, name: bytes, parent_fd: int) -> None:
    os.link(source, name, src_dir_fd=source_fd, dst_dir_fd=parent_fd, follow_symlinks=False)
