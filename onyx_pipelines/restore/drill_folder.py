"""What the steps of one drill leave for each other: its start, and each component's result.

Steps may run in different processes of this host.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from onyx_pipelines.host.durable_files import replace_durably
from onyx_pipelines.host.tree_removal import discard_tree
from onyx_pipelines.restore.results import ComponentResult
from onyx_pipelines.sources.source import Component

_ABANDONED_AFTER_S: Final = 7 * 24 * 3600.0


class DrillFolder:
    """`<state_dir>/drills/<drill_id>/`, until the report is written."""

    def __init__(self, state_dir: Path, drill_id: str) -> None:
        self._directory = state_dir / "drills" / drill_id

    def start(self) -> tuple[datetime, float]:
        """When the drill began, in UTC and on the host's monotonic clock; now if it has not."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        path = self._directory / "started.json"
        if not path.exists():
            began = {"at": datetime.now(UTC).isoformat(), "monotonic": time.monotonic()}
            replace_durably(path, json.dumps(began).encode())
        values = json.loads(path.read_text(encoding="utf-8"))
        return datetime.fromisoformat(values["at"]), float(values["monotonic"])

    def put(self, result: ComponentResult) -> None:
        """Keep the result of one component, over an earlier one."""
        replace_durably(self._path(result.component), result.model_dump_json().encode())

    def results(self) -> list[ComponentResult]:
        """Those that are there, in the order of restoring."""
        return [
            ComponentResult.model_validate_json(self._path(component).read_bytes())
            for component in Component
            if self._path(component).exists()
        ]

    def remove(self) -> None:
        """The drill is over, and its report is written."""
        discard_tree(self._directory)

    def _sweep(self) -> None:
        """Those of drills that were killed before their report."""
        oldest = time.time() - _ABANDONED_AFTER_S
        for other in self._directory.parent.iterdir():
            with suppress(FileNotFoundError):
                if other.lstat().st_mtime < oldest:
                    discard_tree(other)

    def _path(self, component: Component) -> Path:
        return self._directory / f"{component.value}.json"
