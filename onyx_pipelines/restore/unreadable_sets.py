"""Sets that are there and are none: half copied, damaged, or of a newer version."""

from __future__ import annotations

from collections.abc import Sequence

from onyx_pipelines.errors import IntegrityError
from onyx_pipelines.vault.catalog import Catalog
from onyx_pipelines.vault.stores.store import Store


def refuse_unreadable(stores: Sequence[Store], text: str) -> None:
    """Say what is wrong with what `text` names, where no store has it as a set.

    Args:
        text: an id, the beginning of one, or "latest".

    Raises:
        IntegrityError: there is something, and it cannot be restored.
    """
    scan = Catalog(stores).scan()
    for problem in scan.problems:
        if _means(text, problem.backup_id):
            raise IntegrityError(
                f"The set {problem.backup_id} in the {problem.store} store cannot be restored:"
                f" {problem.what}",
                remedy="Restore another set, or this one from another store.",
            )
    for store, leftovers in scan.leftovers.items():
        for backup_id in leftovers:
            if _means(text, backup_id):
                raise IntegrityError(
                    f"The set {backup_id} in the {store} store cannot be restored: it has no"
                    " manifest, so it was never finished or is half copied.",
                    remedy="Copy it again (`onyx catalog list` shows where it is whole), or restore"
                    " another one.",
                )


def _means(text: str, backup_id: str) -> bool:
    return text == "latest" or backup_id.startswith(text.lower())
