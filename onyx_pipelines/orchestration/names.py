"""Names that runs are known by, wherever they are read."""

from typing import Final

BACKUP_ID_TAG: Final = "onyx/backup_id"
