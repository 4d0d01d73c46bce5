"""Which tests go to one worker: those of a file, and files that use one expensive server."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from xdist.scheduler import LoadFileScheduling

# Folders whose files share a web server of Dagster's: to start one takes five seconds of CPU.
_TOGETHER: Final = {"api"}


class ByServer(LoadFileScheduling):
    """As `--dist loadfile`, but for the folders that stay together."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        folder = PurePath(file).parent
        return str(folder) if folder.name in _TOGETHER else file
