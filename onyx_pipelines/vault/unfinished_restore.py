"""Whether a restore is changing live data, also one that was killed: its own journal says so.

A backup of data that is half replaced would be taken for a good one, so backups refuse meanwhile.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from onyx_pipelines.core.errors import AlreadyRunningError

# Below the state directory; one journal, `*.json`, for each restore that is not finished.
JOURNALS: Final = "restores"


def refuse_while_restoring(state_dir: Path) -> None:
    """For backups, after they took the host's lock: whoever was changing data is gone then.

    Raises:
        AlreadyRunningError: a restore was interrupted and not finished.
    """
    for path in sorted((state_dir / JOURNALS).glob("*.json")):
        try:
            journal = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            continue
        except OSError as error:
            raise AlreadyRunningError(
                f"Whether a restore has left data half replaced is not known: {path} cannot be read"
                f" ({error.strerror}).",
                remedy="Back up as the user who restores, or let that one run onyx restore"
                " --abort.",
            ) from None
        if isinstance(journal, dict) and journal.get("changing_by"):
            raise AlreadyRunningError(
                f"A restore of {journal.get('backup_id')} was interrupted, so the data may be half"
                " replaced.",
                remedy=f"Finish it: {journal['changing_by']}. Or abort it: onyx restore --abort.",
            )
