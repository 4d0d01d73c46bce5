"""The application as a process, its database filled, pointed at the sandbox's other servers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx
from psycopg import sql

from onyx_pipelines.sandbox.app.configuration import AppSettings
from onyx_pipelines.sandbox.app.database import SCHEMA
from onyx_pipelines.sandbox.app.faults import Faults
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sandbox.service_process import ServiceProcess

_START_TIMEOUT_S: Final = 120.0
_DOCUMENTS: Final = 300
_BODY: Final = "What the document says, in enough words to fill a few lines of text. " * 8


class SandboxApp(ServiceProcess):
    """Outlives its starter; found again in `state_dir`."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir, "app")

    def start(
        self,
        postgres: PostgresServer,
        qdrant_url: str,
        llm_url: str,
        *,
        llm_key: str = "",
        collection: str = "documents",
        database: str = "onyx_app",
        pool_size: int = 20,
        errors: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Make its database if need be, and start it.

        Args:
            errors: ONYX_* variables of error tracking; none: it reports none.

        Raises:
            OnyxError: it did not answer.
        """
        if self.pid is not None:
            return
        prepare_database(postgres, database)
        settings = AppSettings(
            port=self.port,
            pg_host=postgres.host,
            pg_port=postgres.port,
            pg_user=postgres.user,
            pg_database=database,
            pool_size=pool_size,
            qdrant_url=qdrant_url,
            collection=collection,
            llm_url=llm_url,
        )
        environment = {
            f"SANDBOX_APP_{name.upper()}": str(value)
            for name, value in settings.model_dump(exclude={"faults"}).items()
        }
        environment["SANDBOX_APP_PG_PASSWORD"] = postgres.password
        environment["SANDBOX_APP_LLM_KEY"] = llm_key
        environment |= errors
        self.serve(
            [sys.executable, "-m", "onyx_pipelines.sandbox.app"],
            environment,
            ready_path="/health",
            timeout_s=_START_TIMEOUT_S,
        )

    def set_faults(self, **faults: Any) -> None:
        """Inject faults (see faults.py); without arguments all are removed."""
        httpx.put(
            f"{self.url}/faults", json=Faults(**faults).model_dump(), trust_env=False
        ).raise_for_status()


def prepare_database(postgres: PostgresServer, name: str) -> None:
    """Make the database, its tables, and a few hundred documents, unless they are there."""
    with postgres.connect() as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with postgres.connect(name) as connection:
        for statement in SCHEMA:
            connection.execute(sql.SQL(statement))
        connection.execute(
            "INSERT INTO documents SELECT 'document-' || i, 'Document ' || i, %s"
            " FROM generate_series(0, %s) AS i ON CONFLICT DO NOTHING",
            (_BODY, _DOCUMENTS - 1),
        )
