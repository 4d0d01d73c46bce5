"""recipients.json: whom new backup sets are sealed to. Public keys only, no secret in it."""

from __future__ import annotations

from pathlib import Path

from onyx_pipelines.vault.keys import RECIPIENTS, Recipient
from onyx_pipelines.vault.public_keys import KeyList


def load_recipients(path: Path) -> tuple[Recipient, ...]:
    """See `KeyList.load`."""
    return KeyList(path, RECIPIENTS).load()


def add_recipient(path: Path, recipient: Recipient) -> tuple[Recipient, ...]:
    """See `KeyList.add`."""
    return KeyList(path, RECIPIENTS).add(recipient)


def remove_recipient(path: Path, name_or_id: str) -> tuple[Recipient, ...]:
    """See `KeyList.remove`. Sets sealed so far still open for the removed one."""
    return KeyList(path, RECIPIENTS).remove(name_or_id)
