"""Removes a tree of any depth with few open files, never through a link or a mount out of it."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from onyx_pipelines.host.directories import DIRECTORY_FLAGS, identity_of
from onyx_pipelines.host.inode_flags import make_changeable
from onyx_pipelines.host.mounts import mount_id


def remove_tree(path: Path) -> None:
    """Remove a directory with all that it holds, or one file. An absent one is fine.

    Directories that their owner may not write to are opened up first, and what was made immutable
    (`chattr +i`) is made mutable again where this user may do so.

    Raises:
        OSError: something could not be removed, is mounted there, or puts new files in; what is
            left is left.
    """
    try:
        parent_fd = os.open(path.parent, DIRECTORY_FLAGS & ~os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        name = os.fsencode(path.name)
        if _remove_unless_directory(name, parent_fd):
            return
        _empty(name, parent_fd)
        _rmdir(name, parent_fd)
    finally:
        os.close(parent_fd)


def discard_tree(path: Path) -> None:
    """The same of scratch: what cannot be removed is left, for a sweep or for a person."""
    with suppress(OSError):
        remove_tree(path)


def _empty(root_name: bytes, parent_fd: int) -> None:
    """Down into the first directory, up again when it is empty: one open directory at a time."""
    mount = mount_id(parent_fd)
    fd = _enter(root_name, parent_fd, mount)
    names: list[bytes] = []
    inodes = [identity_of(fd)]
    try:
        while True:
            below = _remove_files(fd)
            if below is not None:
                fd = _replace(fd, _enter(below, fd, mount))
                names.append(below)
                inodes.append(identity_of(fd))
            elif names:
                fd = _replace(fd, os.open("..", DIRECTORY_FLAGS, dir_fd=fd))
                inodes.pop()
                if identity_of(fd) != inodes[-1]:
                    raise OSError(f"{os.fsdecode(names[-1])!r} was moved while it was removed")
                _rmdir(names.pop(), fd)
            else:
                return
    finally:
        os.close(fd)


def _remove_files(fd: int) -> bytes | None:
    """Remove files up to the first directory, and return its name; None when nothing is left."""
    is_empty = False
    while not is_empty:
        is_empty = True
        with os.scandir(fd) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    return name
                _unlink(name, fd)
                is_empty = False
    return None


def _remove_unless_directory(name: bytes, parent_fd: int) -> bool:
    try:
        found = os.lstat(name, dir_fd=parent_fd)
    except FileNotFoundError:
        return True
    if stat.S_ISDIR(found.st_mode):
        return False
    _unlink(name, parent_fd)
    return True


def _unlink(name: bytes, parent_fd: int) -> None:
    with suppress(FileNotFoundError):  # somebody else removes here too
        try:
            os.unlink(name, dir_fd=parent_fd)
        except PermissionError:
            _make_mutable(name, parent_fd)
            os.unlink(name, dir_fd=parent_fd)


def _rmdir(name: bytes, parent_fd: int) -> None:
    try:
        os.rmdir(name, dir_fd=parent_fd)
    except PermissionError:
        _make_mutable(name, parent_fd)
        os.rmdir(name, dir_fd=parent_fd)


def _make_mutable(name: bytes, parent_fd: int) -> None:
    """It and its directory. Nothing happens where that is not the reason, or not allowed."""
    make_changeable(parent_fd)
    with suppress(OSError):
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent_fd)
        try:
            make_changeable(fd)
        finally:
            os.close(fd)


def _enter(name: bytes, parent_fd: int, mount: int) -> int:
    """Open a directory that is to be emptied, though its mode may forbid its owner to."""
    path_fd = os.open(name, DIRECTORY_FLAGS | os.O_PATH, dir_fd=parent_fd)
    try:
        if mount_id(path_fd) != mount:
            raise OSError(errno.EXDEV, f"something is mounted at {os.fsdecode(name)!r}")
        path = Path(f"/proc/self/fd/{path_fd}")
        if os.fstat(path_fd).st_mode & 0o700 != 0o700:
            with suppress(PermissionError):  # of another owner; whether that matters shows next
                path.chmod(0o700)
        return os.open(path, DIRECTORY_FLAGS & ~os.O_NOFOLLOW)
    finally:
        os.close(path_fd)


def _replace(old_fd: int, new_fd: int) -> int:
    os.close(old_fd)
    return new_fd
