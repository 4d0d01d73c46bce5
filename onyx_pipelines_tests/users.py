"""Being somebody who is not root, which the tests of a container mostly are, or a lesser root."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onyx_pipelines_tests.requirements_of_tests import unavailable

NOBODY = 65534
# capabilities(7): CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH; capset(2): version 3, this thread.
_FILES_OF_OTHERS = 1 << 1 | 1 << 2
_VERSION_3 = 0x20080522


@contextmanager
def as_another_user(uid: int) -> Iterator[None]:
    """With that user's rights to files and none of root's."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@contextmanager
def at_home_of(uid: int) -> Iterator[Path]:
    """A directory of that user's, whose block is that user's, too."""
    if os.geteuid() != 0:
        unavailable("only root can become another user")
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, uid, uid)
    try:
        with as_another_user(uid):
            yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def without_roots_rights_to_files() -> Iterator[None]:
    """As a container's root with `cap_drop`: it reads of others what everybody may."""
    if os.geteuid() != 0:
        unavailable("only root has such rights")
    library, header = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    # Effective, permitted, inheritable; twice.
    rights = (ctypes.c_uint32 * 6)()
    assert library.capget(header, rights) == 0
    all_of_them = rights[0]
    rights[0] &= ~_FILES_OF_OTHERS
    assert library.capset(header, rights) == 0
    try:
        yield
    finally:
        rights[0] = all_of_them
        assert library.capset(header, rights) == 0
