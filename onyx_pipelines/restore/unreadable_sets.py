"""What looks like a set and has no manifest: half copied, or never finished."""

from __future__ import annotations

from collections.abc import Sequence

from onyx_pipelines.errors import IntegrityError
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.stores.store import Store
from onyx_pipelines.vault.trust import Trust


def refuse_unreadable(stores: Sequence[Store], trust: Trust, text: str) -> None:
    """Say what is wrong with what `text` names, where no store has it as a set.

    Args:
        text: an id, the beginning of one, or "latest".

    Raises:
        IntegrityError: there is something, and it cannot be restored.
    """
    for store, leftovers in Catalog(stores, trust).scan().leftovers.items():
        for backup_id in leftovers:
            if text == "latest" or backup_id.startswith(text.lower()):
                raise IntegrityError(
                    f"The set {backup_id} in the {store} store cannot be restored: it has no"
                    " manifest, so it was never finished or is half copied.",
                    remedy="Copy it again (`onyx catalog list` shows where it is whole), or restore"
                    " another one.",
                )
