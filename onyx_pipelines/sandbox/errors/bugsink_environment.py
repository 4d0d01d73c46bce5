"""A virtual environment of its own for Bugsink, and a database that its migrations have made once.

Its licence (PolyForm Shield) lets anybody run it; it is installed, and no part of this product.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.sandbox import locked_environment

CONFIGURATION: Final = "bugsink_conf.py"
# Migrations take about ten seconds of a core; a copy of what they made takes none.
_MIGRATED: Final = "migrated.sqlite3"
_TIMEOUT_S: Final = 180.0
# Of whatever stack: what differs comes from the environment of the process.
_SETTINGS: Final = """\
import json
import os

from bugsink.settings.default import *

TIME_ZONE = "UTC"
# Alerts are sent before an event is acknowledged: no second process.
SNAPPEA = {"TASK_ALWAYS_EAGER": True}
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
BUGSINK = json.loads(os.environ.get("BUGSINK_SETTINGS", "{}"))
"""


def default_directory() -> Path:
    """Beside the virtual environment that runs this."""
    return Path(sys.prefix).with_name(".venv-bugsink")


def is_made(directory: Path) -> bool:
    """Whether it was made from the lock of today."""
    return locked_environment.is_made(directory, lock())


def make_environment(directory: Path) -> None:
    """Install the locked packages unless they are there.

    Raises:
        OnyxError: an installation failed, with the end of what it said.
    """
    locked_environment.make_environment(directory, lock())


def lock() -> str:
    """Its packages, with hashes."""
    return (files("onyx_pipelines.sandbox.errors") / "bugsink.lock").read_text(encoding="utf-8")


def new_database(directory: Path, database: Path) -> None:
    """An empty one with all tables, at `database`.

    Raises:
        OnyxError: the migrations failed.
    """
    migrated = directory / _MIGRATED
    if not migrated.exists():
        unfinished = migrated.with_suffix(f".{os.getpid()}")
        unfinished.unlink(missing_ok=True)
        manage(directory, directory, {"DATABASE_PATH": str(unfinished)}, "migrate")
        unfinished.replace(migrated)
    database.write_bytes(migrated.read_bytes())


def manage(
    environment_dir: Path, directory: Path, variables: Mapping[str, str], *arguments: str
) -> str:
    """Run `bugsink-manage`; gives what it printed.

    Args:
        directory: holds the configuration, which is written there.
        variables: secrets belong here.

    Raises:
        OnyxError: it failed; ends with what it said last.
    """
    (directory / CONFIGURATION).write_text(_SETTINGS, encoding="utf-8")
    done = subprocess.run(
        [str(environment_dir / "bin" / "bugsink-manage"), *arguments],
        cwd=directory,
        env={**os.environ, "SECRET_KEY": "of no use", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stderr.splitlines()[-5:])
        raise OnyxError(
            f"bugsink-manage {arguments[0]} failed: {tail}",
            remedy=f"Delete {environment_dir} and run the command again.",
        )
    return done.stdout
