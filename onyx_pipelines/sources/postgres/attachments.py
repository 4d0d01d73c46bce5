"""What is said about objects (comments, security labels, grants on what the server brought along),
default privileges, and logical replication, as schema items."""

from __future__ import annotations

from onyx_pipelines.sources.postgres.catalog_query import (
    FIRST_OID,
    CatalogQuery,
    digest,
    flag,
    grants,
    not_of_extension,
    words,
)

_PUBLIC_SCHEMA = 2200
_MEMBER = (
    "EXISTS (SELECT FROM pg_depend m WHERE m.classid = {catalog} AND m.objid = {oid}"
    " AND m.deptype = 'e')"
)
# Functions of the server describe an object by catalog and number; those that it brought along have
# low numbers, and comments of what an extension made are not in a dump.
_DESCRIBED = (
    f"(x.objoid >= {FIRST_OID}"
    f" OR (x.classoid = 'pg_namespace'::regclass AND x.objoid = {_PUBLIC_SCHEMA}))"
    f" AND NOT {_MEMBER.format(catalog='x.classoid', oid='x.objoid')}"
)
_IDENTITY = (
    "pg_identify_object(x.classoid, x.objoid, x.objsubid) identified (type, schema, name, identity)"
)
# Of a transform it was worded otherwise before version 18.
_IDENTIFIED = (
    "concat_ws(' ', identified.type, CASE identified.type WHEN 'transform'"
    " THEN replace(identified.identity, ' on language ', ' language ')"
    " ELSE identified.identity END)"
)

# On constraints and triggers that a table has of its parents, as long as they are as there: pg_dump
# leaves these to the parents, and their comments with them.
INHERITED_COMMENT = "inherited comment"
_INHERITED = (
    "(x.classoid = 'pg_constraint'::regclass AND EXISTS (SELECT FROM pg_constraint k"
    " WHERE k.oid = x.objoid AND (k.contype IN ('c', 'n') AND NOT k.conislocal AND k.conrelid <> 0"
    " OR k.contype = 'f' AND k.conparentid <> 0))"
    " OR x.classoid = 'pg_trigger'::regclass AND EXISTS (SELECT FROM pg_trigger t"
    # Of the whole row, since servers before 13 have no such column.
    " JOIN pg_trigger above ON above.oid = (to_jsonb(t)->>'tgparentid')::oid"
    " WHERE t.oid = x.objoid AND t.tgenabled = above.tgenabled))"
)


def _comments(kind: str, which: str) -> CatalogQuery:
    return CatalogQuery(
        kind,
        _IDENTIFIED,
        digest("x.description"),
        f"pg_description x, {_IDENTITY}",
        f"{_DESCRIBED} AND {which}",
    )


_COMMENTS = (
    _comments("comment", f"NOT {_INHERITED}"),
    _comments(INHERITED_COMMENT, _INHERITED),
)
_SECURITY_LABELS = CatalogQuery(
    "security label",
    "concat_ws(' ', x.provider, identified.type, identified.identity)",
    digest("x.label"),
    f"pg_seclabel x, {_IDENTITY}",
    _DESCRIBED,
)


def _changed_grants(
    catalog: str, prefix: str, kind: str, place: str, dumped: str = "true"
) -> CatalogQuery:
    """On what the server or an extension brought along, where somebody changed them.

    `place`: the number of its schema, if it lives in one; what the information schema has is no
    part of a dump, nor is what is not `dumped`.
    """
    column, owner = f"{prefix}acl", f"{prefix}owner"
    number = f"'{catalog}'::regclass"
    first = (
        f"coalesce((SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid ="
        f" {number} AND i.objoid = x.oid AND i.objsubid = 0),"
        f" acldefault('{kind}', x.{owner}))"
    )
    return CatalogQuery(
        "grants",
        "concat_ws(' ', identified.type, identified.identity)",
        "''",
        f"{catalog} x, pg_identify_object({number}, x.oid, 0)"
        " identified (type, schema, name, identity)",
        # Schemas of anybody are items themselves.
        f"x.{column} IS NOT NULL AND (x.oid < {FIRST_OID} OR"
        f" {_MEMBER.format(catalog=number, oid='x.oid')})"
        f" AND x.oid <> {_PUBLIC_SCHEMA} AND {place} <> 'information_schema'::regnamespace"
        f" AND {dumped} AND x.{column}::text <> {first}::text",
        grants=grants(f"x.{column}", f"x.{owner}", base=first),
    )


_RELATIONS = "'pg_class'::regclass"
_FIRST_GRANTS_OF_COLUMN = (
    f"coalesce((SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid = {_RELATIONS}"
    " AND i.objoid = c.oid AND i.objsubid = a.attnum), acldefault('c', c.relowner))"
)
_CHANGED_GRANTS_OF_COLUMNS = CatalogQuery(
    "grants",
    "concat_ws(' ', identified.type, identified.identity)",
    "''",
    "pg_class c JOIN pg_attribute a ON a.attrelid = c.oid,"
    f" pg_identify_object({_RELATIONS}, c.oid, a.attnum)"
    " identified (type, schema, name, identity)",
    f"a.attacl IS NOT NULL AND NOT a.attisdropped AND (c.oid < {FIRST_OID} OR"
    f" {_MEMBER.format(catalog=_RELATIONS, oid='c.oid')})"
    " AND c.relnamespace <> 'information_schema'::regnamespace"
    f" AND a.attacl::text <> {_FIRST_GRANTS_OF_COLUMN}::text",
    grants=grants("a.attacl", "c.relowner", base=_FIRST_GRANTS_OF_COLUMN),
)
_CHANGED_GRANTS = (
    _CHANGED_GRANTS_OF_COLUMNS,
    _changed_grants("pg_class", "rel", "r", "x.relnamespace"),
    _changed_grants("pg_proc", "pro", "f", "x.pronamespace"),
    _changed_grants("pg_type", "typ", "T", "x.typnamespace"),
    _changed_grants("pg_namespace", "nsp", "n", "x.oid"),
    _changed_grants("pg_language", "lan", "l", "0", "x.lanispl"),
)

_DEFAULT_PRIVILEGES = CatalogQuery(
    "default privileges",
    "concat_ws(' ', 'of', quote_ident(pg_get_userbyid(d.defaclrole)), 'in '"
    " || d.defaclnamespace::regnamespace, 'on', CASE d.defaclobjtype WHEN 'r' THEN 'tables'"
    " WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'"
    " WHEN 'n' THEN 'schemas' ELSE d.defaclobjtype::text END)",
    "''",
    "(SELECT oid, defaclrole, nullif(defaclnamespace, 0) defaclnamespace, defaclobjtype, defaclacl"
    " FROM pg_default_acl) d",
    "true",
    grants=grants(
        "d.defaclacl",
        "d.defaclrole",
        base="CASE WHEN d.defaclnamespace IS NULL THEN acldefault(CASE d.defaclobjtype"
        " WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole) END",
    ),
)


def _publications(major: int) -> CatalogQuery:
    columns = (
        "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute a"
        " WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs))"
    )
    schemas = (
        "(SELECT string_agg(s.pnnspid::regnamespace::text, ', ' ORDER BY s.pnnspid::regnamespace"
        "::text) FROM pg_publication_namespace s WHERE s.pnpubid = p.oid)"
    )
    filters = (
        "(SELECT json_agg(json_build_array(concat('WHERE of ', r.prrelid::regclass),"
        " 'expression', r.prrelid::regclass, pg_get_expr(r.prqual, r.prrelid))"
        " ORDER BY r.prrelid::regclass::text) FROM pg_publication_rel r"
        " WHERE r.prpubid = p.oid AND r.prqual IS NOT NULL)"
    )
    return CatalogQuery(
        "publication",
        "quote_ident(p.pubname)",
        words(
            flag("p.puballtables", "all tables"),
            flag("p.pubinsert", "insert"),
            flag("p.pubupdate", "update"),
            flag("p.pubdelete", "delete"),
            flag("p.pubtruncate", "truncate"),
            flag("p.pubviaroot", "via root") if major >= 13 else "NULL",
            "'generated ' || nullif(p.pubgencols::text, 'n')" if major >= 18 else "NULL",
            "(SELECT string_agg(concat(r.prrelid::regclass"
            + (f", ' (' || {columns} || ')'" if major >= 15 else "")
            + "), ', ' ORDER BY r.prrelid::regclass::text) FROM pg_publication_rel r"
            " WHERE r.prpubid = p.oid)",
            f"'schemas ' || {schemas}" if major >= 15 else "NULL",
        ),
        "pg_publication p",
        not_of_extension("pg_publication", "p"),
        owner="p.pubowner",
        more=filters if major >= 15 else "NULL::json",
    )


def _subscriptions(major: int, *, whole: bool) -> CatalogQuery:
    """A restored one is disabled and has no slot, so neither is a part of what it is.

    `whole`: whether the role may read how it connects.
    """
    streaming = (
        "WHEN 'f' THEN 'not streaming' WHEN 't' THEN 'streaming'"
        if major >= 18
        # A boolean before version 16.
        else "WHEN 't' THEN 'streaming' WHEN 'true' THEN 'streaming' WHEN 'p' THEN NULL"
    )
    return CatalogQuery(
        "subscription",
        "quote_ident(s.subname)",
        words(
            "(SELECT string_agg(quote_ident(p), ', ' ORDER BY p) FROM unnest(s.subpublications) p)",
            "concat('commit ', s.subsynccommit)",
            flag("s.subbinary", "binary") if major >= 14 else "NULL",
            # What is the default is not in a dump: a newer server then has its own.
            f"CASE s.substream::text {streaming} END" if major >= 14 else "NULL",
            flag("s.subtwophasestate <> 'd'", "two-phase") if major >= 15 else "NULL",
            flag("s.subdisableonerr", "disabled on error") if major >= 15 else "NULL",
            "'origin ' || nullif(s.suborigin, 'any')" if major >= 16 else "NULL",
            flag("s.subrunasowner", "runs as owner") if major >= 16 else "NULL",
            flag("NOT s.subpasswordrequired", "without a password") if major >= 16 else "NULL",
            flag("s.subfailover", "failover") if major >= 17 else "NULL",
            f"concat('connects as ', {digest('s.subconninfo')})" if whole else "NULL",
        ),
        "pg_subscription s",
        "s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        owner="s.subowner",
    )


def attachment_queries(major: int, *, superuser: bool) -> tuple[CatalogQuery, ...]:
    """For a server of this major version, and what the role may read there."""
    return (
        *_COMMENTS,
        _SECURITY_LABELS,
        *_CHANGED_GRANTS,
        _DEFAULT_PRIVILEGES,
        _publications(major),
        _subscriptions(major, whole=superuser),
    )
