"""Where Dagster keeps runs and events: in PostgreSQL where DAGSTER_PG_* says so, else in SQLite, so
that `dagster dev` works in a fresh clone. Named in dagster.yaml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.config import PostgresStorageConfig
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from onyx_pipelines.core.errors import SettingsError

_VARIABLES = (
    "DAGSTER_PG_HOST",
    "DAGSTER_PG_PORT",
    "DAGSTER_PG_USER",
    "DAGSTER_PG_PASSWORD",
    "DAGSTER_PG_DB",
)
_SQLITE = ".dagster"


class InstanceStorage(DagsterStorage):
    """Never instantiated: it makes one of Dagster's own two."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, _: dict[str, Any]
    ) -> DagsterStorage:
        """Raises SettingsError: some of the variables are set, and others are not."""
        missing = [name for name in _VARIABLES if not os.environ.get(name)]
        if len(missing) == len(_VARIABLES):
            return DagsterSqliteStorage.from_local(_sqlite_dir(), inst_data)
        if missing:
            raise SettingsError(
                f"Dagster's database is only half configured: {', '.join(missing)} not set.",
                remedy="Set all DAGSTER_PG_* for PostgreSQL, or none of them for SQLite.",
            )
        host, port, user, password, database = (os.environ[name] for name in _VARIABLES)
        config: PostgresStorageConfig = {
            "postgres_db": {
                # Spelled out: SQLAlchemy 2.1 takes a bare postgresql:// for psycopg 3, which
                # dagster-postgres is not.
                "scheme": "postgresql+psycopg2",
                "hostname": host,
                "port": int(port),
                "username": user,
                "password": password,
                "db_name": database,
                "params": {},
            }
        }
        return DagsterPostgresStorage.from_config_value(inst_data, config)


def _sqlite_dir() -> str:
    """All processes of `dagster dev` without a DAGSTER_HOME share its working directory."""
    return os.environ.get("DAGSTER_HOME") or str(Path.cwd() / _SQLITE)
