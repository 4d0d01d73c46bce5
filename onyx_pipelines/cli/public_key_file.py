"""A file with somebody's public key, as another host printed it."""

from __future__ import annotations

from pathlib import Path

from onyx_pipelines.core.errors import KeyFileError


def read_public_key(path: Path) -> str:
    """Its text.

    Raises:
        KeyFileError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(
            f"The public key {path} cannot be read ({type(error).__name__}).",
            remedy="Give the file that `onyx keys public` (or `signers public`) wrote there.",
        ) from None
