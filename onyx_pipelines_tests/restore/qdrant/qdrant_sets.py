"""A set of Qdrant collections in a directory, opened, and restores of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from onyx_pipelines.core.progress import ProgressCallback, silent
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import PlannedChange, Work
from onyx_pipelines.restore.objects import SetObjects, open_set
from onyx_pipelines.restore.qdrant.drilling import drill
from onyx_pipelines.restore.qdrant.planning import plan
from onyx_pipelines.restore.qdrant.restoring import restore
from onyx_pipelines.restore.results import ComponentResult, StepClock
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines.sources.source import Component, Source, object_path
from onyx_pipelines.vault.keys import create_private_key, load_private_key
from onyx_pipelines.vault.manifest import BackupType
from onyx_pipelines.vault.stores import LocalStore
from onyx_pipelines.vault.writing import SetWriter
from onyx_pipelines_tests.fixtures_qdrant import QdrantServer
from onyx_pipelines_tests.restore.doctored_source import DoctoredSource, Edit
from onyx_pipelines_tests.restore.journaled import with_journal
from onyx_pipelines_tests.vault.sets import signers, signing_key


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
        asked = RestoreChoice(**request)
        settings = self.settings(restore_qdrant_index_wait_s=index_wait_s)
        return with_journal(
            settings.state_dir,
            [objects.manifest.backup_id, asked],
            lambda j: restore(work_on(objects, self.root, settings, progress), asked, j),
            force=force,
        )

    def plan(self, objects: SetObjects, **request: Any) -> list[PlannedChange]:
        return plan(objects, RestoreChoice(**request), self.settings())

    def drill(self, objects: SetObjects, **settings: Any) -> ComponentResult:
        return drill(work_on(objects, self.root, self.settings(**settings)))

    def collections(self) -> set[str]:
        return {each.name for each in self.server.client.get_collections().collections}

    def count(self, collection: str) -> int:
        return self.server.client.count(collection, exact=True).count


def seal(root: Path, source: Source) -> SetObjects:
    """A set of that source alone in `<root>/store`, opened."""
    key_file = root / f"{uuid.uuid4()}.json"
    store = LocalStore(root / "store", name="local")
    backup_id = str(uuid.uuid4())
    writer = SetWriter(store, backup_id, [create_private_key(key_file, "test")])
    began = datetime.now(UTC)
    sink = writer.component(source.component)
    sink.finish(source.back_up(sink, silent), began)
    writer.complete(
        signing_key=signing_key(),
        components=[source.component],
        timestamp=began,
        backup_type=BackupType.DAILY,
        retention_days=7,
        host="test",
    )
    return open_set(store, backup_id, load_private_key(key_file), signers())
