"""A set of PostgreSQL databases in a directory, opened, and restores of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onyx_pipelines.core.progress import silent
from onyx_pipelines.core.settings import Settings, load_settings
from onyx_pipelines.host.scratch import scratch_root
from onyx_pipelines.restore.choice import RestoreChoice
from onyx_pipelines.restore.engine import PlannedChange, Work
from onyx_pipelines.restore.results import ComponentResult, StepClock
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.target import PostgresTarget
from onyx_pipelines.sources.source import Component, Source, object_path
from onyx_pipelines.vault.reading import SetObjects
from onyx_pipelines_tests.fixtures_postgres import source_of
from onyx_pipelines_tests.restore.doctored_source import DoctoredSource, Edit
from onyx_pipelines_tests.restore.journaled import planned, restored
from onyx_pipelines_tests.restore.sealed import seal


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
        return seal(self.root, source)

    def restore(
        self, objects: SetObjects, *, force: bool = False, **request: Any
    ) -> ComponentResult:
        request.setdefault("with_globals", False)
        settings = self.settings_with(request.pop("target", None))
        return restored(work_on(objects, settings), RestoreChoice(**request), force=force)

    def plan(self, objects: SetObjects, **request: Any) -> Sequence[PlannedChange]:
        choice = RestoreChoice(**request)
        return planned(Component.POSTGRESQL, objects, choice, self.settings)

    def rows(self, database: str, query: str) -> list[tuple[Any, ...]]:
        with self.server.connect(database) as connection:
            return connection.execute(query.encode()).fetchall()

    def databases(self) -> set[str]:
        return {name for (name,) in self.rows("template1", "SELECT datname FROM pg_database")}


MakeSet = Callable[..., SetObjects]
