"""The inventory of sets with facts of format version 1, digests of PostgreSQL's own words: a copy
restored from such a set is read as it was. Nothing is added here."""

from __future__ import annotations

from typing import Any

import psycopg

from onyx_pipelines.sources.postgres.facts import SchemaItem

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


def read_schema_1(connection: psycopg.Connection[Any]) -> tuple[SchemaItem, ...]:
    """Everything that can be missing after a restore, by kind and name."""
    items = [
        SchemaItem(kind=kind, name=name, definition=digest)
        for query in SCHEMA_QUERIES
        for kind, name, digest in connection.execute(query.encode())
    ]
    return tuple(sorted(items, key=lambda item: (item.kind, item.name)))
