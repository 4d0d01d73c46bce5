"""The application's rows: messages of chats, and documents, through a pool of connections."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
from psycopg_pool import AsyncConnectionPool

from onyx_pipelines.sandbox.app.configuration import AppSettings
from onyx_pipelines.sandbox.app.server_timing import ServerTiming

HOP = "pg"
_POOL_TIMEOUT_S = 30.0

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS messages (id bigserial PRIMARY KEY, run_id text NOT NULL,"
    " session_id text NOT NULL, role text NOT NULL, content text NOT NULL,"
    " created_at timestamptz NOT NULL DEFAULT now())",
    "CREATE INDEX IF NOT EXISTS messages_of_session ON messages (session_id, id)",
    "CREATE INDEX IF NOT EXISTS messages_of_run ON messages (run_id)",
    "CREATE TABLE IF NOT EXISTS documents (document_id text PRIMARY KEY, title text NOT NULL,"
    " body text NOT NULL)",
)


class Database:
    """One pool; `resize` changes it while the application runs."""

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._pool = _pool(settings, settings.pool_size)
        self.slow_ms = 0.0

    async def open(self) -> None:
        await self._pool.open(wait=True, timeout=_POOL_TIMEOUT_S)

    async def close(self) -> None:
        await self._pool.close()

    async def resize(self, size: int) -> None:
        """0: the size that it started with. A pool that shrinks keeps what is open: a new one."""
        wanted = size or self._settings.pool_size
        if wanted == self._pool.max_size:
            return
        old, self._pool = self._pool, _pool(self._settings, wanted)
        await self.open()
        await old.close()

    def gauges(self) -> tuple[int, int, int]:
        """Size, connections in use, requests that wait for one."""
        stats = self._pool.get_stats()
        size = stats.get("pool_max", 0)
        busy = stats.get("pool_size", 0) - stats.get("pool_available", 0)
        return size, max(0, min(size, busy)), stats.get("requests_waiting", 0)

    async def remember(
        self, timing: ServerTiming, run_id: str, session_id: str, role: str, content: str
    ) -> list[str]:
        """Store a message; gives the last ones of the session."""
        async with self._transaction(timing) as connection:
            await connection.execute(
                "INSERT INTO messages (run_id, session_id, role, content) VALUES (%s, %s, %s, %s)",
                (run_id, session_id, role, content),
            )
            found = await connection.execute(
                "SELECT content FROM messages WHERE session_id = %s ORDER BY id DESC LIMIT 10",
                (session_id,),
            )
            return [str(row[0]) for row in await found.fetchall()]

    async def documents(
        self, timing: ServerTiming, document_ids: Sequence[str]
    ) -> list[dict[str, str]]:
        """Those that there are, in the order asked for."""
        async with self._transaction(timing) as connection:
            found = await connection.execute(
                "SELECT document_id, title, body FROM documents WHERE document_id = ANY(%s)",
                (list(document_ids),),
            )
            rows = {str(row[0]): row for row in await found.fetchall()}
        return [
            {"document_id": each, "title": str(rows[each][1]), "body": str(rows[each][2])}
            for each in dict.fromkeys(document_ids)
            if each in rows
        ]

    async def forget_run(self, run_id: str) -> int:
        """Delete what a load test wrote; gives the number of rows."""
        async with self._pool.connection() as connection:
            found = await connection.execute("DELETE FROM messages WHERE run_id = %s", (run_id,))
            return found.rowcount

    @asynccontextmanager
    async def _transaction(
        self, timing: ServerTiming
    ) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
        begun = time.perf_counter()
        pool = self._pool
        connection = await pool.getconn()
        timing.add(f"{HOP}_wait", 1000 * (time.perf_counter() - begun))
        try:
            async with timing.measured(HOP), connection.transaction():
                if self.slow_ms:
                    await connection.execute("SELECT pg_sleep(%s)", (self.slow_ms / 1000,))
                yield connection
        finally:
            await pool.putconn(connection)


def _pool(settings: AppSettings, size: int) -> AsyncConnectionPool:
    return AsyncConnectionPool(
        "",
        kwargs={
            "host": settings.pg_host,
            "port": settings.pg_port,
            "user": settings.pg_user,
            "password": settings.pg_password.get_secret_value(),
            "dbname": settings.pg_database,
            "application_name": "onyx sandbox app",
        },
        min_size=size,
        max_size=size,
        timeout=_POOL_TIMEOUT_S,
        open=False,
    )
