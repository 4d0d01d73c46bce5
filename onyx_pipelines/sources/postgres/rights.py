"""Which rights a role lacks to back up a database, each with the statement that grants it, and what
only a superuser's backup has. Reads catalogs only: docs/postgresql.md has the same list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.text import count_text
from onyx_pipelines.sources.postgres.catalog_query import OURS, RELATION, not_of_extension
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines.sources.postgres.inventory import server_major
from onyx_pipelines.sources.postgres.target import PostgresTarget

Connection = psycopg.Connection[Any]

_READS_ALL_SINCE = 14
_NAMED = 5
# What pg_dump reads: of extensions the tables and sequences that are their configuration.
_RELATIONS = f"""
SELECT quote_ident(n.nspname), {RELATION}, c.relkind::text,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'),
       c.relkind = 'r' AND row_security_active(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't' AND {OURS}
  AND ({not_of_extension("pg_class", "c")}
       OR EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))
  AND (NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_table_privilege(c.oid, 'SELECT')
       OR c.relkind = 'r' AND row_security_active(c.oid))
ORDER BY 2
"""  # noqa: S608  (constants of ours)
_LARGE_OBJECTS = """
SELECT count(*) FROM pg_largeobject_metadata m
WHERE current_setting('lo_compat_privileges') = 'off' AND NOT pg_has_role(m.lomowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT'
                  AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
"""
_SUBSCRIPTIONS = """
SELECT quote_ident(s.subname) FROM pg_subscription s
JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database() ORDER BY 1
"""
# As the view pg_user_mappings shows options, which is what pg_dump reads.
_USER_MAPPINGS = """
SELECT format('%s on %I', CASE u.umuser WHEN 0 THEN 'PUBLIC'
              ELSE quote_ident(pg_get_userbyid(u.umuser)) END, u.srvname)
FROM pg_user_mappings u JOIN pg_foreign_server s ON s.oid = u.srvid
WHERE NOT CASE WHEN u.umuser = 0 THEN pg_has_role(s.srvowner, 'USAGE')
               ELSE u.usename = current_user AND (pg_has_role(s.srvowner, 'USAGE')
                    OR has_server_privilege(s.oid, 'USAGE')) END
ORDER BY 1
"""


@dataclass(frozen=True)
class LackingRight:
    """`what` the role may not do, and the statement that lets it."""

    what: str
    grant: str


@dataclass(frozen=True)
class Rights:
    """`left_out`: what a backup by this role has not, whatever it is granted."""

    role: str
    is_superuser: bool = True
    lacking: tuple[LackingRight, ...] = ()
    left_out: tuple[str, ...] = ()

    def lacking_in(self, database: str) -> list[LackingRight]:
        """With the name of the database."""
        return [replace(each, what=f"{each.what} in {database}") for each in self.lacking]

    def as_dumped(self, facts: DatabaseFacts) -> DatabaseFacts:
        """pg_dump leaves subscriptions out for everybody but superusers."""
        if self.is_superuser:
            return facts
        items = tuple(
            item
            for item in facts.schema_items
            if item.kind != "subscription"
            and not (item.kind == "comment" and item.name.startswith("subscription "))
        )
        return facts.model_copy(update={"schema_items": items})


def read_rights(connection: Connection) -> Rights:
    """Of the role of the connection, in its database."""
    row = connection.execute(
        "SELECT quote_ident(rolname), rolsuper, quote_ident(current_database())"
        " FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    role, is_superuser, database = row or ("", False, "")
    if is_superuser:
        return Rights(role)
    return Rights(
        role,
        is_superuser=False,
        lacking=(
            *_lacking_on_relations(connection, role),
            *_lacking_on_large_objects(connection, role, database),
        ),
        left_out=(
            *_left_out("subscriptions", _column(connection, _SUBSCRIPTIONS)),
            *_left_out("options of the user mappings", _column(connection, _USER_MAPPINGS)),
        ),
    )


def closed_databases(connection: Connection, names: Sequence[str]) -> dict[str, LackingRight]:
    """Those that the role may not connect to."""
    rows = connection.execute(
        "SELECT datname, format('GRANT CONNECT ON DATABASE %%I TO %%I', datname, current_user)"
        " FROM pg_database WHERE datname = ANY (%s) AND NOT has_database_privilege(oid, 'CONNECT')"
        " ORDER BY 1",
        (list(names),),
    )
    return {name: LackingRight(f"connect to database {name}", grant) for name, grant in rows}


def may_read_passwords(connection: Connection) -> bool:
    """Whether the connected role may read the verifiers of roles' passwords (`pg_authid`)."""
    row = connection.execute(
        "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')"
    ).fetchone()
    return bool(row and row[0])


def refuse(target: PostgresTarget, lacking: Sequence[LackingRight]) -> None:
    """
    Raises:
        SourceError: a right is lacking; names all of them, and what to execute.
    """
    if not lacking:
        return
    grants = dict.fromkeys(each.grant for each in lacking)
    raise SourceError(
        f"PostgreSQL {target.address}: the role {target.user} may not"
        f" {'; nor '.join(each.what for each in lacking)}.",
        remedy=f"As a superuser: {'; '.join(grants)}.",
    )


def _lacking_on_relations(connection: Connection, role: str) -> Iterator[LackingRight]:
    rows = connection.execute(_RELATIONS.encode()).fetchall()
    unreadable = [row for row in rows if not row[3]]
    tables = [name for _, name, kind, *_ in unreadable if kind != "S"]
    sequences = [name for _, name, kind, *_ in unreadable if kind == "S"]
    schemas = list(dict.fromkeys(schema for schema, *_ in unreadable))
    grant = reading(role, server_major(connection), schemas)
    if tables:
        yield LackingRight(f"read the tables {_some(tables)}", grant)
    if sequences:
        yield LackingRight(f"read the sequences {_some(sequences)}", grant)
    hidden = [name for _, name, _, _, is_hidden in rows if is_hidden]
    if hidden:
        yield LackingRight(
            f"read the rows that policies hide, of {_some(hidden)}", f"ALTER ROLE {role} BYPASSRLS"
        )


def reading(role: str, major: int, schemas: Sequence[str]) -> str:
    """What lets a role read these schemas and what is in them. Names are quoted."""
    if major >= _READS_ALL_SINCE:
        return f"GRANT pg_read_all_data TO {role}"
    names = ", ".join(schemas)
    return "; ".join(
        f"GRANT {right} {names} TO {role}"
        for right in (
            "USAGE ON SCHEMA",
            "SELECT ON ALL TABLES IN SCHEMA",
            "SELECT ON ALL SEQUENCES IN SCHEMA",
        )
    )


def _lacking_on_large_objects(
    connection: Connection, role: str, database: str
) -> Iterator[LackingRight]:
    """No role may read them all but a superuser; this setting lets one do it."""
    row = connection.execute(_LARGE_OBJECTS.encode()).fetchone()
    if row and row[0]:
        yield LackingRight(
            f"read {count_text(row[0], 'large object')}",
            f"ALTER ROLE {role} IN DATABASE {database} SET lo_compat_privileges = on",
        )


def _left_out(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what} {_some(names)}: only a superuser may dump them"] if names else []


def _column(connection: Connection, query: str) -> list[str]:
    return [value for (value,) in connection.execute(query.encode())]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
