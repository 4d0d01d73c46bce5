"""Which commit is to go live: of what the stack is deployed from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from onyx_pipelines import __version__
from onyx_pipelines.core.settings import Settings, VolumeSettings
from onyx_pipelines.host.processes import ProgramError, text_of

_TIMEOUT_S: Final = 5.0


def commit_of(settings: Settings) -> str:
    """Of the checkout that ONYX_RECIPE's first directory or file is in; else the release that
    errors name; else this version of the product."""
    for folder in _folders(settings):
        try:
            found = text_of(["git", "-C", folder, "rev-parse", "HEAD"], timeout_s=_TIMEOUT_S)
        except (ProgramError, OSError):
            continue
        return found.strip()
    return settings.sentry_release or f"onyx-pipelines {__version__}"


def _folders(settings: VolumeSettings) -> Iterator[Path]:
    for path in settings.recipe:
        yield path if path.is_dir() else path.parent
