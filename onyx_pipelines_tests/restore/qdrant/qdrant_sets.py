"""A set of Qdrant collections in a directory, opened, and restores of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from onyx_pipelines.core.progress import ProgressCallback, silent
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import PlannedChange, Work
from onyx_pipelines.restore.qdrant.drilling import drill
from onyx_pipelines.restore.results import ComponentResult, StepClock
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines.sources.source import Component, Source, object_path
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.fixtures_qdrant import QdrantServer
from onyx_pipelines_tests.restore.doctored_source import DoctoredSource, Edit
from onyx_pipelines_tests.restore.journaled import planned, restored
from onyx_pipelines_tests.restore.sealed import seal


def work_on(
    objects: SetObjects, root: Path, settings: Settings, progress: ProgressCallback = silent
) -> Work:
    return Work(Component.QDRANT, objects, StepClock(), root, settings, progress)


@dataclass(frozen=True)
class QdrantSets:
    """Makes sets of one server and restores them into it."""

    root: Path
    server: QdrantServer

    def settings(self, **changes: Any) -> Settings:
        return load_settings(
            {
                "state_dir": self.root / "state",
                "backup_dir": self.root / "store",
                "qdrant_url": self.server.url,
                "qdrant_api_key": self.server.api_key,
                **changes,
            }
        )

    def of(self, *collections: str, edit: Edit | None = None) -> SetObjects:
        """A set of these collections; `edit` falsifies the facts of the first."""
        source: Source = QdrantSource(
            self.server.url,
            state_dir=self.root / "state",
            api_key=SecretStr(self.server.api_key),
            collections=collections,
        )
        if edit is not None:
            path = object_path("facts", "qdrant", collections[0], suffix=".json")
            source = DoctoredSource(source, path, edit)
        return seal(self.root, source)

    def restore(
        self,
        objects: SetObjects,
        *,
        progress: ProgressCallback = silent,
        index_wait_s: float = 0,
        force: bool = False,
        **request: Any,
    ) -> ComponentResult:
        settings = self.settings(restore_qdrant_index_wait_s=index_wait_s)
        work = work_on(objects, self.root, settings, progress)
        return restored(work, RestoreChoice(**request), force=force)

    def plan(self, objects: SetObjects, **request: Any) -> Sequence[PlannedChange]:
        return planned(Component.QDRANT, objects, RestoreChoice(**request), self.settings())

    def drill(self, objects: SetObjects, **settings: Any) -> ComponentResult:
        return drill(work_on(objects, self.root, self.settings(**settings)))

    def collections(self) -> set[str]:
        return {each.name for each in self.server.client.get_collections().collections}

    def count(self, collection: str) -> int:
        return self.server.client.count(collection, exact=True).count
