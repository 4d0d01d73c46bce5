"""PostgreSQL and Redis in trouble."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

import psycopg
from psycopg import sql

from bench.strikes.strike import Strike
from onyx_pipelines.sandbox.ports import HOST
from onyx_pipelines.sources.postgres.server_process import stop_at_once
from onyx_pipelines_tests.monitoring.watched_sandbox import WatchedSandbox

APPLICATION: Final = "onyx_app"
_TAKEN: Final = "SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL"
_READ_ONLY: Final = "default_transaction_read_only"
_USUAL_REDIS: Final = "64mb"
_FILLER_BYTES: Final = 8 << 20


def stop_postgres(watched: WatchedSandbox, after: ExitStack) -> None:
    """It ends every connection, and goes."""
    watched.sandbox.postgres.stop()
    after.callback(watched.up)


def kill_postgres(watched: WatchedSandbox, after: ExitStack) -> None:
    """At once, as one that lost a process for good: it recovers when it starts again."""
    stop_at_once(watched.sandbox.postgres.data_dir)
    after.callback(watched.up)


def kill_a_backend(watched: WatchedSandbox, _: ExitStack) -> None:
    """One of the application's: the server ends all others too, and recovers by itself."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = %s LIMIT 1"
    with watched.sandbox.postgres.connect() as connection:
        (pid,) = connection.execute(query, (APPLICATION,)).fetchone() or (0,)
    if pid:
        os.kill(pid, signal.SIGKILL)


def take_connections(wanted: int) -> Strike:
    """So many are taken, or all that there are."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        with watched.sandbox.postgres.connect() as connection:
            (taken,) = connection.execute(_TAKEN).fetchone() or (0,)
        for _ in range(wanted - taken):
            try:
                after.callback(watched.sandbox.postgres.connect().close)
            except psycopg.OperationalError:
                # None is left: that was wanted.
                return

    return strike


def lock(*tables: str) -> Strike:
    """A migration that nobody ends keeps everybody from them."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        connection = watched.sandbox.postgres.connect(APPLICATION)
        after.callback(connection.close)
        connection.execute("BEGIN")
        names = sql.SQL(", ").join(map(sql.Identifier, tables))
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))

    return strike


def read_only(watched: WatchedSandbox, after: ExitStack) -> None:
    """Supabase does so when its disk is almost full: reads go on, every write fails."""
    _configure(watched, f"ALTER SYSTEM SET {_READ_ONLY} = on", "SELECT pg_reload_conf()")
    after.callback(
        _configure, watched, f"ALTER SYSTEM RESET {_READ_ONLY}", "SELECT pg_reload_conf()"
    )


def read_only_database(watched: WatchedSandbox, after: ExitStack) -> None:
    """The same for the application's alone, and for those who connect from now on."""
    _configure(watched, f"ALTER DATABASE {APPLICATION} SET {_READ_ONLY} = on", _reconnected())
    after.callback(
        _configure, watched, f"ALTER DATABASE {APPLICATION} RESET {_READ_ONLY}", _reconnected()
    )


def _reconnected() -> str:
    return (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{APPLICATION}' AND pid <> pg_backend_pid()"
    )


def _configure(watched: WatchedSandbox, *statements: str) -> None:
    with watched.sandbox.postgres.connect() as connection:
        for each in statements:
            connection.execute(sql.SQL(each))


def fill_redis(share: float) -> Strike:
    """So much of what it may have is used; more than 1: it may have less than it already has."""

    def strike(watched: WatchedSandbox, after: ExitStack) -> None:
        redis(watched, "SET", "filler", "x" * _FILLER_BYTES)
        lines = redis(watched, "INFO", "memory").split()
        used = int(next(each for each in lines if each.startswith("used_memory:")).split(":")[1])
        redis(watched, "CONFIG", "SET", "maxmemory", f"{used / share:.0f}")
        after.callback(redis, watched, "DEL", "filler")
        after.callback(redis, watched, "CONFIG", "SET", "maxmemory", _USUAL_REDIS)

    return strike


def crowd_redis(watched: WatchedSandbox, after: ExitStack) -> None:
    """For a moment: as long as there are too many, its exporter is refused as well."""
    redis(watched, "CONFIG", "SET", "maxclients", "8")
    with ExitStack() as crowd:
        for _ in range(20):
            address = (HOST, watched.sandbox.monitoring.redis.port)
            crowd.enter_context(socket.create_connection(address))
    after.callback(redis, watched, "CONFIG", "SET", "maxclients", "1000")


def redis(watched: WatchedSandbox, *words: str) -> str:
    """One command; gives the beginning of its answer."""
    with socket.create_connection((HOST, watched.sandbox.monitoring.redis.port)) as connection:
        connection.sendall(_command(words))
        return connection.recv(4096).decode()


def _command(words: Sequence[str]) -> bytes:
    parts = "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    return f"*{len(words)}\r\n{parts}".encode()
