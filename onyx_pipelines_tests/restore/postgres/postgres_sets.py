"""A set of PostgreSQL databases in a directory, opened, and restores of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.host.scratch import scratch_root
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import PlannedChange, Work
from onyx_pipelines.restore.objects import SetObjects, open_set
from onyx_pipelines.restore.postgres.planning import plan
from onyx_pipelines.restore.postgres.restoring import restore
from onyx_pipelines.restore.results import ComponentResult, StepClock
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.target import PostgresTarget
from onyx_pipelines.sources.source import Component, Source, object_path
from onyx_pipelines.vault.keys import create_private_key, load_private_key
from onyx_pipelines.vault.manifest import BackupType
from onyx_pipelines.vault.stores import LocalStore
from onyx_pipelines.vault.writing import SetWriter
from onyx_pipelines_tests.fixtures_postgres import source_of
from onyx_pipelines_tests.restore.doctored_source import DoctoredSource, Edit
from onyx_pipelines_tests.restore.journaled import with_journal
from onyx_pipelines_tests.vault.sets import signers, signing_key


def work_on(objects: SetObjects, settings: Settings) -> Work:
    scratch = scratch_root(settings.scratch_dir)
    return Work(Component.POSTGRESQL, objects, StepClock(), scratch, settings, silent)


@dataclass(frozen=True)
class PostgresSets:
    """Makes sets of one server and restores them into it."""

    root: Path
    server: PostgresServer

    @property
    def settings(self) -> Settings:
        return load_settings(
            {
                "state_dir": self.root / "state",
                "backup_dir": self.root / "store",
                "scratch_dir": self.root / "scratch",
                "pg_host": self.server.host,
                "pg_port": self.server.port,
                "pg_user": self.server.user,
                "pg_password": self.server.password,
            }
        )

    def settings_with(self, target: PostgresTarget | None) -> Settings:
        """Of a host whose server is that one."""
        if target is None:
            return self.settings
        return self.settings.model_copy(
            update={
                "pg_host": target.host,
                "pg_port": target.port,
                "pg_user": target.user,
                "pg_password": target.password,
                "pg_sslmode": target.sslmode,
            }
        )

    def of(
        self, *databases: str, with_globals: bool = False, edit: Edit | None = None
    ) -> SetObjects:
        """A set of these databases; `edit` falsifies the facts of the first."""
        source: Source = source_of(self.server, *databases, with_globals=with_globals)
        if edit is not None:
            path = object_path("facts", "postgresql", f"db-{databases[0]}", suffix=".json")
            source = DoctoredSource(source, path, edit)
        key_file = self.root / f"{uuid.uuid4()}.json"
        store = LocalStore(self.root / "store", name="local")
        backup_id = str(uuid.uuid4())
        writer = SetWriter(store, backup_id, [create_private_key(key_file, "test")])
        began = datetime.now(UTC)
        sink = writer.component(Component.POSTGRESQL)
        sink.finish(source.back_up(sink, silent), began)
        writer.complete(
            signing_key=signing_key(),
            components=[Component.POSTGRESQL],
            timestamp=began,
            backup_type=BackupType.DAILY,
            retention_days=7,
            host="test",
        )
        return open_set(store, backup_id, load_private_key(key_file), signers())

    def restore(
        self, objects: SetObjects, *, force: bool = False, **request: Any
    ) -> ComponentResult:
        request.setdefault("with_globals", False)
        settings = self.settings_with(request.pop("target", None))
        asked = RestoreChoice(**request)
        return with_journal(
            settings.state_dir,
            [objects.manifest.backup_id, asked],
            lambda j: restore(work_on(objects, settings), asked, j),
            force=force,
        )

    def plan(self, objects: SetObjects, **request: Any) -> list[PlannedChange]:
        return plan(objects, RestoreChoice(**request), self.settings)

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        with self.server.connect(database) as connection:
            return connection.execute(query.encode()).fetchall()

    def databases(self) -> set[str]:
        return {name for (name,) in self.rows("template1", "SELECT datname FROM pg_database")}


MakeSet = Callable[..., SetObjects]
