"""Reads the facts of a database that come from its catalogs: cheap, and before any content."""

from __future__ import annotations

from typing import Any

import psycopg

from onyx_pipelines.sources.postgres.facts import (
    ExtensionFacts,
    GlobalsFacts,
    RoleFacts,
    SchemaItem,
    SequenceFacts,
)

Connection = psycopg.Connection[Any]

# What an extension made is restored by CREATE EXTENSION and is its own affair.
_NOT_OF_EXTENSION = (
    "NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = '{catalog}'::regclass"
    " AND d.objid = {alias}.oid AND d.deptype = 'e')"
)
_OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

# Into the encoding that it has: SQL_ASCII holds bytes that are not valid in any other.
_SHA = "encode(sha256(convert_to({text}, getdatabaseencoding())), 'hex')"


def _item(kind: str, name: str, text: str, tables: str, where: str) -> str:
    digest = _SHA.format(text=f"coalesce({text}, '')")
    return f"SELECT '{kind}', {name}, {digest} FROM {tables} WHERE {where}"  # noqa: S608  (constants)


_RELATION = "format('%I.%I', n.nspname, c.relname)"
_OF_RELATION = "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
_RELATION_OURS = f"{_OURS} AND {_NOT_OF_EXTENSION.format(catalog='pg_class', alias='c')}"

_COLUMNS = (
    "(SELECT string_agg(concat_ws(' ', quote_ident(a.attname),"
    " format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity,"
    " (SELECT pg_get_expr(ad.adbin, ad.adrelid) FROM pg_attrdef ad"
    " WHERE ad.adrelid = c.oid AND ad.adnum = a.attnum)), ', ' ORDER BY a.attname)"
    " FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)"
)

SCHEMA_QUERIES: tuple[str, ...] = (
    _item("schema", "quote_ident(n.nspname)", "n.nspname", "pg_namespace n",
          f"{_OURS} AND {_NOT_OF_EXTENSION.format(catalog='pg_namespace', alias='n')}"),
    _item("table", _RELATION,
          f"concat_ws('; ', c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,"
          f" pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid), {_COLUMNS})",
          _OF_RELATION, f"c.relkind IN ('r', 'p', 'f') AND {_RELATION_OURS}"),
    _item("type", _RELATION, _COLUMNS, _OF_RELATION, f"c.relkind = 'c' AND {_RELATION_OURS}"),
    _item("sequence", _RELATION,
          "concat_ws(' ', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin,"
          " s.seqmax, s.seqcache, s.seqcycle)",
          f"pg_sequence s JOIN {_OF_RELATION} ON c.oid = s.seqrelid", _RELATION_OURS),
    _item("view", _RELATION, "concat(c.relkind, c.relispopulated, pg_get_viewdef(c.oid))",
          _OF_RELATION, f"c.relkind IN ('v', 'm') AND {_RELATION_OURS}"),
    # pg_dump leaves out what a failed CREATE INDEX CONCURRENTLY left behind.
    _item("index", "format('%I.%I', n.nspname, x.relname)", "pg_get_indexdef(x.oid)",
          f"pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN {_OF_RELATION}"
          " ON c.oid = i.indrelid",
          f"i.indisready AND (i.indisvalid OR c.relkind = 'p') AND {_RELATION_OURS}"),
    _item("constraint", f"concat({_RELATION}, ' ', quote_ident(k.conname))",
          "concat(pg_get_constraintdef(k.oid), k.convalidated)",
          f"pg_constraint k JOIN {_OF_RELATION} ON c.oid = k.conrelid",
          # From version 18 on a not-null column has a constraint of its own; the column says it.
          f"k.contype <> 'n' AND {_RELATION_OURS}"),
    _item("trigger", f"concat({_RELATION}, ' ', quote_ident(t.tgname))", "pg_get_triggerdef(t.oid)",
          f"pg_trigger t JOIN {_OF_RELATION} ON c.oid = t.tgrelid",
          f"NOT t.tgisinternal AND {_RELATION_OURS}"),
    _item("policy", f"concat({_RELATION}, ' ', quote_ident(p.polname))",
          "concat(p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid),"
          " pg_get_expr(p.polwithcheck, p.polrelid))",
          f"pg_policy p JOIN {_OF_RELATION} ON c.oid = p.polrelid", _RELATION_OURS),
    _item("function",
          "format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))",
          "CASE WHEN p.prokind IN ('f', 'p') THEN pg_get_functiondef(p.oid) END",
          "pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace",
          f"{_OURS} AND {_NOT_OF_EXTENSION.format(catalog='pg_proc', alias='p')}"),
    _item("type", "format('%I.%I', n.nspname, t.typname)",
          "concat(t.typtype, format_type(t.typbasetype, t.typtypmod), (SELECT"
          " string_agg(pg_get_constraintdef(k.oid), ',' ORDER BY k.conname) FROM pg_constraint k"
          " WHERE k.contypid = t.oid AND k.contype = 'c'), (SELECT"
          " string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e"
          " WHERE e.enumtypid = t.oid))",
          "pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace",
          f"t.typtype IN ('e', 'd', 'r') AND {_OURS}"
          f" AND {_NOT_OF_EXTENSION.format(catalog='pg_type', alias='t')}"),
)  # fmt: skip


def read_schema(connection: Connection) -> tuple[SchemaItem, ...]:
    """Everything that can be missing after a restore, by kind and name."""
    items = [
        SchemaItem(kind=kind, name=name, definition=digest)
        for query in SCHEMA_QUERIES
        for kind, name, digest in connection.execute(query.encode())
    ]
    return tuple(sorted(items, key=lambda item: (item.kind, item.name)))


def read_sequences(connection: Connection) -> tuple[SequenceFacts, ...]:
    """Read before the dump begins: sequences stand outside of every snapshot and only move on."""
    rows = connection.execute(
        f"SELECT {_RELATION}, s.seqincrement, s.seqcycle"  # noqa: S608  (constants of this module)
        f" FROM pg_catalog.pg_sequence s JOIN {_OF_RELATION} ON c.oid = s.seqrelid"
        f" WHERE {_RELATION_OURS} ORDER BY 1".encode()
    ).fetchall()
    facts = []
    for name, increment, cycles in rows:
        row = connection.execute(f"SELECT last_value, is_called FROM {name}".encode()).fetchone()  # noqa: S608
        if row is not None:
            facts.append(
                SequenceFacts(
                    name=name,
                    last_value=row[0],
                    is_called=row[1],
                    increment=increment,
                    cycles=cycles,
                )
            )
    return tuple(facts)


def read_extensions(connection: Connection) -> tuple[ExtensionFacts, ...]:
    rows = connection.execute("SELECT extname, extversion FROM pg_extension ORDER BY 1")
    return tuple(ExtensionFacts(name=name, version=version) for name, version in rows)


def read_system_identifier(connection: Connection) -> str | None:
    """What tells one cluster from another; None where the role may not read it."""
    try:
        with connection.transaction():
            row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return str(row[0]) if row else None


def list_databases(connection: Connection) -> tuple[str, ...]:
    """Every database that allows connections, without templates."""
    rows = connection.execute(
        "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"
    )
    return tuple(name for (name,) in rows)


def read_globals(connection: Connection, *, with_passwords: bool) -> GlobalsFacts:
    """Roles, memberships and tablespaces."""
    roles = connection.execute(
        "SELECT r.rolname, r.rolsuper, r.rolcanlogin, r.rolcreaterole, r.rolcreatedb,"
        " r.rolreplication, r.rolbypassrls, coalesce((SELECT array_agg(g.rolname::text ORDER BY"
        " g.rolname) FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid"
        " WHERE m.member = r.oid), '{}')"
        " FROM pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1"
    )
    spaces = connection.execute(
        "SELECT spcname FROM pg_tablespace WHERE spcname !~ '^pg_' ORDER BY 1"
    )
    return GlobalsFacts(
        server_version=server_version(connection),
        system_identifier=read_system_identifier(connection),
        databases=list_databases(connection),
        roles=tuple(_role(row) for row in roles.fetchall()),
        tablespaces=tuple(name for (name,) in spaces),
        with_passwords=with_passwords,
    )


def _role(row: tuple[Any, ...]) -> RoleFacts:
    name, superuser, can_login, create_role, create_database, replication, bypass_rls, groups = row
    return RoleFacts(
        name=name,
        superuser=superuser,
        can_login=can_login,
        create_role=create_role,
        create_database=create_database,
        replication=replication,
        bypass_rls=bypass_rls,
        member_of=tuple(groups),
    )


def server_version(connection: Connection) -> str:
    """ "16.4", without what the packager adds."""
    row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]).split(" ")[0] if row else ""


def server_major(connection: Connection) -> int:
    return connection.info.server_version // 10_000
