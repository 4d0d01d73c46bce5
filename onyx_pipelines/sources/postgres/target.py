"""Which server, as whom: for psycopg and, by environment variables, for PostgreSQL's programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from pydantic import SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.settings import PostgresSettings
from onyx_pipelines.host.processes import ProgramError, plain_environment

_CONNECT_TIMEOUT_S = 10
# Those that this version of the server knows.
_NO_TIMEOUTS = """
SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings
WHERE name IN ('lock_timeout', 'transaction_timeout',
               'idle_in_transaction_session_timeout', 'idle_session_timeout')
"""
# Who reads a database is who logged in, whatever role it has others take on.
NAMES_ANOTHER_ROLE = """
EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase,
        unnest(s.setconfig) given
        WHERE d.datname = current_database() AND s.setrole = 0 AND given LIKE 'role=%')
"""
_OWN_ROLE = f"SELECT set_config('role', 'none', false) WHERE {NAMES_ANOTHER_ROLE}"
# The same for PostgreSQL's programs.
OWN_ROLE = "-c role=none"
# Whoever may create objects in `public` could otherwise slip a function under our queries.
_SAFE_SEARCH_PATH = "SELECT pg_catalog.set_config('search_path', 'pg_catalog', false)"
# What libpq and its programs need besides.
_PASSED_ON = r"PG.*|SSL_CERT_.*|KRB5.*"
# SQLSTATE classes and codes that pass by themselves (PostgreSQL manual, appendix A): connection
# exceptions, too many connections, shut down, starting up, lock not available, deadlock, a table
# that was dropped between two of our queries.
_TRANSIENT_CLASSES = ("08",)
_TRANSIENT_STATES = frozenset(
    {"53300", "57P01", "57P02", "57P03", "57014", "55P03", "40P01", "40001", "42P01"}
)
_PERMANENT_WORDS = (
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "does not exist",
    "permission denied",
    "not permitted",
    "version mismatch",
    "could not translate host name",
    "does not support ssl",
    "certificate",
)
_TRANSIENT_WORDS = (
    "closed the connection",
    "could not connect",
    "connection refused",
    "connection timed out",
    "timeout expired",
    "terminating connection",
    "too many clients",
    "too many connections",
    "starting up",
    "shutting down",
    "lost synchronization",
    "canceling statement due to",
    "could not obtain lock",
    "connection to server was lost",
    "no connection to the server",
    "ssl connection has been closed",
    "network is unreachable",
    "connection failed",
    "connection is closed",
    "connection is lost",
    "could not import the requested snapshot",
    "invalid snapshot identifier",
)
# Something was dropped after our snapshot was taken: the next snapshot does not have it.
_DROPPED_MEANWHILE = re.compile(
    r'(relation|snapshot) "[^\n]*" does not exist'
    r"|could not open relation with oid|cache lookup failed for"
)


@dataclass(frozen=True)
class PostgresTarget:
    """One server. `password` may be empty (pgpass file, peer, certificate)."""

    host: str
    port: int
    user: str
    password: SecretStr
    sslmode: str = "prefer"

    @classmethod
    def from_settings(cls, settings: PostgresSettings) -> PostgresTarget:
        """The server that is backed up: `ONYX_PG_HOST` and its neighbours."""
        return cls(
            host=settings.pg_host,
            port=settings.pg_port,
            user=settings.pg_user,
            password=settings.pg_password,
            sslmode=settings.pg_sslmode,
        )

    @property
    def address(self) -> str:
        """`host:port`, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must stand in no message."""
        return (self.password.get_secret_value(),)

    def environment(self, database: str, *, options: str = "") -> dict[str, str]:
        """For libpq programs: everything by variables, so that nothing stands in argv.

        Args:
            options: parameters of their sessions (`-c name=value`), besides PGOPTIONS of ours.
        """
        environment = {
            **plain_environment(_PASSED_ON),
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGDATABASE": database,
            "PGSSLMODE": self.sslmode,
            "PGCONNECT_TIMEOUT": str(_CONNECT_TIMEOUT_S),
            "PGAPPNAME": "onyx-pipelines",
            "LC_ALL": "C",
        }
        if options:
            environment["PGOPTIONS"] = f"{environment.get('PGOPTIONS', '')} {options}".strip()
        if self.password.get_secret_value():
            environment["PGPASSWORD"] = self.password.get_secret_value()
        return environment

    @contextmanager
    def connect(self, database: str) -> Iterator[psycopg.Connection[Any]]:
        """A connection without a transaction; the server's timeouts are off in it, and what it
        writes is written though the database or the role is read-only by default.

        Raises:
            SourceError: it cannot be made, or is lost inside the block.
        """
        password = self.password.get_secret_value()
        with postgres_errors(self, database):
            connection = psycopg.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=password or None,
                dbname=database,
                sslmode=self.sslmode,
                connect_timeout=_CONNECT_TIMEOUT_S,
                application_name="onyx-pipelines",
                autocommit=True,
                keepalives_idle=30,
                keepalives_interval=10,
                keepalives_count=6,
                # Else it would be the database's own, and psycopg reads bytes from SQL_ASCII.
                client_encoding="UTF8",
            )
            try:
                connection.execute("SET statement_timeout = 0")
                connection.execute("SET default_transaction_read_only = off")
                connection.execute(_NO_TIMEOUTS)
                connection.execute(_SAFE_SEARCH_PATH)
                connection.execute(_OWN_ROLE.encode())
                yield connection
            finally:
                connection.close()


@contextmanager
def postgres_errors(target: PostgresTarget, database: str) -> Iterator[None]:
    """Raise psycopg's and the programs' errors as SourceError, with what to do."""
    try:
        yield
    except psycopg.Error as error:
        raise _source_error(
            target, database, str(error).strip(), error.sqlstate or "", type(error).__name__
        ) from None
    except UnicodeDecodeError as error:
        name = error.object.decode(errors="backslashreplace")
        raise SourceError(
            f"PostgreSQL {target.address}, database {database}: the name '{name}' is not in UTF-8.",
            remedy="It was given from a database of another encoding: rename it from there.",
        ) from None
    except ProgramError as error:
        raise SourceError(
            f"PostgreSQL {target.address}, database {database}: {error.what}",
            remedy=_remedy(error.stderr_tail, "") or error.remedy,
            transient=error.transient or is_transient(error.stderr_tail, ""),
        ) from None


def _source_error(
    target: PostgresTarget, database: str, text: str, state: str, kind: str
) -> SourceError:
    for secret in filter(None, target.secrets):
        text = text.replace(secret, "[secret]")
    return SourceError(
        f"PostgreSQL {target.address}, database {database}: {text or kind}",
        remedy=_remedy(text, state) or "The server's log says more.",
        transient=is_transient(text, state),
    )


def is_transient(text: str, state: str) -> bool:
    """Whether the same call may succeed later with nobody's help."""
    if state:
        return state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES
    lowered = text.lower()
    if _DROPPED_MEANWHILE.search(lowered):
        return True
    if any(word in lowered for word in _PERMANENT_WORDS):
        return False
    return any(word in lowered for word in _TRANSIENT_WORDS)


def _remedy(text: str, state: str) -> str:
    lowered = text.lower()
    if "authentication failed" in lowered or "no password supplied" in lowered or state == "28P01":
        return "Check ONYX_PG_USER and ONYX_PG_PASSWORD (or ONYX_PG_PASSWORD_FILE)."
    if state == "42501" or "permission denied" in lowered:
        return (
            "The role lacks a right: docs/postgresql.md says which ones are needed, and `onyx"
            " doctor` which of them a backup lacks."
        )
    if "ssl" in lowered or "certificate" in lowered:
        return "Check ONYX_PG_SSLMODE and the server's certificate."
    if is_transient(text, state) and _DROPPED_MEANWHILE.search(lowered):
        return "It went away while the backup began; run the backup again."
    if state == "55P03" or "lock t" in lowered:
        return (
            "Somebody holds an exclusive lock on it (pg_locks says who); try again later, or set"
            " ONYX_PG_LOCK_TIMEOUT_S higher."
        )
    if state == "3D000" or re.search(r'database "[^\n]*" does not exist', lowered):
        return "Correct ONYX_PG_DATABASES or ONYX_PG_MAINTENANCE_DATABASE."
    if is_transient(text, state):
        return "See whether the server runs and answers (ONYX_PG_HOST, ONYX_PG_PORT)."
    return ""
