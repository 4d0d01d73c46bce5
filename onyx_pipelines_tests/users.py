"""Being somebody who is not root, which the tests of a container mostly are."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onyx_pipelines_tests.requirements_of_tests import unavailable

NOBODY = 65534


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
