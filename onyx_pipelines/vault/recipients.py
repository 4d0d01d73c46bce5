"""recipients.json: whom new backup sets are sealed to. Public keys only, no secret in it."""

from __future__ import annotations

from pathlib import Path

from onyx_pipelines.vault.keys import RECIPIENTS, Recipient
from onyx_pipelines.vault.public_keys import KeyList


def load_recipients(path: Path) -> tuple[Recipient, ...]:
    """Whom new sets are sealed to; at least one.

    Raises:
        KeyFileError: the file is missing, unreadable, damaged or empty.
    """
    return KeyList(path, RECIPIENTS).load()


def add_recipient(path: Path, recipient: Recipient) -> tuple[Recipient, ...]:
    """Seal new sets to this key as well; gives all that there are then."""
    return KeyList(path, RECIPIENTS).add(recipient)


def remove_recipient(path: Path, name_or_id: str) -> tuple[Recipient, ...]:
    """Seal new sets to it no longer. Sets sealed so far still open for it.

    Raises:
        KeyFileError: there is no such key, or it is the last one.
    """
    return KeyList(path, RECIPIENTS).remove(name_or_id)
