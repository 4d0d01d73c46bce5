"""The front end's module (deploy/suna), with the SDK that it is developed with, by its lock."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import Final

from onyx_pipelines.sandbox.locked_environment import run_installer

SOURCE: Final = Path(__file__).parents[3] / "deploy" / "suna"
_STAMP: Final = ".source-digest"
_INSTALLED: Final = "node_modules"


def default_directory() -> Path:
    """Beside the virtual environment that runs this."""
    return Path(sys.prefix).with_name(".suna")


def missing_programs() -> list[str]:
    """What it needs and this machine does not have."""
    return [name for name in ("node", "npm") if shutil.which(name) is None]


def make_module(directory: Path) -> None:
    """Copy it and install its packages (about 100 MB), unless both are as they are now.

    Raises:
        OnyxError: the packages could not be installed, with the end of what npm said.
    """
    stamp, digest = directory / _STAMP, _digest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(SOURCE, directory, ignore=shutil.ignore_patterns(_INSTALLED))
    run_installer(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
        directory,
    )
    stamp.write_text(digest, encoding="ascii")


def _digest() -> str:
    """Of every file of it."""
    found = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file() and _INSTALLED not in path.parts:
            found.update(f"{path.relative_to(SOURCE)}\n".encode() + path.read_bytes())
    return found.hexdigest()
