"""Tables and what belongs to them, as schema items. Definitions name columns, never their numbers,
and everything that is parsed stands apart as an expression."""

from __future__ import annotations

from onyx_pipelines.sources.postgres.catalog_query import (
    OF_RELATION,
    OURS,
    RELATION,
    RELATION_OURS,
    CatalogQuery,
    ExpressionQuery,
    digest,
    flag,
    not_of_extension,
    options,
    own_grants,
    role,
    tablespace,
    words,
)

NOT_NULL = "not null"
NAMED_NOT_NULL_SINCE = 18

_COLLATION = (
    "(SELECT format('collate %I.%I', cn.nspname, co.collname) FROM pg_collation co"
    " JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = {oid})"
)
_OPERATOR_CLASS = (
    "(SELECT format('%I.%I', o.nspname, p.opcname) FROM pg_opclass p"
    " JOIN pg_namespace o ON o.oid = p.opcnamespace WHERE p.oid = {oid})"
)
_ACCESS_METHOD = (
    "(SELECT 'stored as ' || nullif(amname, 'heap') FROM pg_am WHERE pg_am.oid = {oid})"
)
_NAMES_OF_COLUMNS = (
    "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM pg_attribute a"
    " WHERE a.attrelid = {relation} AND a.attnum = ANY ({numbers}))"
)
_PERSISTENCE = "CASE c.relpersistence WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary' END"
_RELATION_OPTIONS = f"'with ' || {options('c.reloptions')}"
_FOREIGN = (
    "(SELECT concat('server ', quote_ident(s.srvname),"
    f" ', options ' || {digest(options('f.ftoptions'))})"
    " FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver"
    " WHERE f.ftrelid = c.oid)"
)
_PARENTS = (
    "(SELECT string_agg(h.inhparent::regclass::text, ', ' ORDER BY h.inhseqno)"
    " FROM pg_inherits h WHERE h.inhrelid = c.oid)"
)
_PARTITION_KEY = (
    "(SELECT concat('partitioned by ', pt.partstrat, ' ', (SELECT string_agg(concat_ws(' ',"
    " coalesce((SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid"
    " AND a.attnum = k.number AND k.number > 0), 'expression'),"
    f" {_COLLATION.format(oid='pt.partcollation[k.position - 1]')},"
    f" {_OPERATOR_CLASS.format(oid='pt.partclass[k.position - 1]')}), ', ' ORDER BY k.position)"
    " FROM unnest(pt.partattrs) WITH ORDINALITY k(number, position)))"
    " FROM pg_partitioned_table pt WHERE pt.partrelid = c.oid)"
)
_PARTITION_EXPRESSIONS = (
    "(SELECT 'ROW(' || pg_get_expr(pt.partexprs, pt.partrelid) || ')'"
    " FROM pg_partitioned_table pt WHERE pt.partrelid = c.oid)"
)

_TABLES = CatalogQuery(
    "table",
    RELATION,
    words(
        "CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign' END",
        _PERSISTENCE,
        flag("c.relrowsecurity", "row security"),
        flag("c.relforcerowsecurity", "forced row security"),
        "CASE c.relreplident WHEN 'n' THEN 'no replica identity'"
        " WHEN 'f' THEN 'replica identity full' END",
        _ACCESS_METHOD.format(oid="c.relam"),
        _RELATION_OPTIONS,
        f"(SELECT 'TOAST with ' || {options('t.reloptions')} FROM pg_class t"
        " WHERE t.oid = c.reltoastrelid AND t.reloptions IS NOT NULL)",
        f"'inherits from ' || {_PARENTS}",
        "CASE WHEN c.reloftype <> 0 THEN 'of type ' || format_type(c.reloftype, NULL) END",
        _PARTITION_KEY,
        "pg_get_expr(c.relpartbound, c.oid)",
        _FOREIGN,
    ),
    OF_RELATION,
    f"c.relkind IN ('r', 'p', 'f') AND {RELATION_OURS}",
    owner="c.relowner",
    tablespace=tablespace("c.reltablespace"),
    grants=own_grants("c.relacl", "c.relowner", "r"),
    expressions=(ExpressionQuery("partition key", "expression", _PARTITION_EXPRESSIONS),),
    of=RELATION,
)

_VIEWS = CatalogQuery(
    "view",
    RELATION,
    words(
        flag("c.relkind = 'm'", "materialized"),
        flag("c.relkind = 'm' AND NOT c.relispopulated", "not populated"),
        _PERSISTENCE,
        _ACCESS_METHOD.format(oid="c.relam"),
        _RELATION_OPTIONS,
    ),
    OF_RELATION,
    f"c.relkind IN ('v', 'm') AND {RELATION_OURS}",
    owner="c.relowner",
    tablespace=tablespace("c.reltablespace"),
    grants=own_grants("c.relacl", "c.relowner", "r"),
    expressions=(ExpressionQuery("query", "query", "pg_get_viewdef(c.oid)"),),
)

_SEQUENCES = CatalogQuery(
    "sequence",
    RELATION,
    words(
        "format_type(s.seqtypid, NULL)",
        "concat_ws(' ', s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache)",
        flag("s.seqcycle", "cycles"),
        _PERSISTENCE,
        "(SELECT format('of column %s.%I', d.refobjid::regclass, a.attname) FROM pg_depend d"
        " JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
        " WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
        " AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))",
    ),
    f"pg_sequence s JOIN {OF_RELATION} ON c.oid = s.seqrelid",
    RELATION_OURS,
    owner="c.relowner",
    grants=own_grants("c.relacl", "c.relowner", "s"),
)

_TRIGGERS = CatalogQuery(
    "trigger",
    f"concat({RELATION}, ' ', quote_ident(t.tgname))",
    "concat('enabled ', t.tgenabled)",
    f"pg_trigger t JOIN {OF_RELATION} ON c.oid = t.tgrelid",
    f"NOT t.tgisinternal AND {RELATION_OURS}",
    expressions=(ExpressionQuery("trigger", "trigger", "pg_get_triggerdef(t.oid)"),),
    of=RELATION,
)

_RULES = CatalogQuery(
    "rule",
    f"concat({RELATION}, ' ', quote_ident(r.rulename))",
    "concat('enabled ', r.ev_enabled)",
    f"pg_rewrite r JOIN {OF_RELATION} ON c.oid = r.ev_class",
    f"r.rulename <> '_RETURN' AND {RELATION_OURS}",
    expressions=(ExpressionQuery("rule", "rule", "pg_get_ruledef(r.oid)"),),
    of=RELATION,
)

_POLICIES = CatalogQuery(
    "policy",
    f"concat({RELATION}, ' ', quote_ident(p.polname))",
    words(
        "concat('for ', p.polcmd)",
        flag("NOT p.polpermissive", "restrictive"),
        f"concat('to ', (SELECT string_agg({role('r')}, ', ' ORDER BY {role('r')})"
        " FROM unnest(p.polroles) r))",
    ),
    f"pg_policy p JOIN {OF_RELATION} ON c.oid = p.polrelid",
    RELATION_OURS,
    expressions=(
        ExpressionQuery("USING", "expression", "pg_get_expr(p.polqual, p.polrelid)"),
        ExpressionQuery("WITH CHECK", "expression", "pg_get_expr(p.polwithcheck, p.polrelid)"),
    ),
    of=RELATION,
)

_STATISTICS = CatalogQuery(
    "statistics",
    "format('%I.%I', sn.nspname, s.stxname)",
    words(
        f"concat('on ', {RELATION})",
        "concat('kinds ', (SELECT string_agg(k::text, '' ORDER BY k::text)"
        " FROM unnest(s.stxkind) k))",
        "'columns ' || " + _NAMES_OF_COLUMNS.format(relation="s.stxrelid", numbers="s.stxkeys"),
        "'target ' || nullif(s.stxstattarget, -1)",
    ),
    f"pg_statistic_ext s JOIN pg_namespace sn ON sn.oid = s.stxnamespace"
    f" JOIN {OF_RELATION} ON c.oid = s.stxrelid",
    f"{OURS} AND {not_of_extension('pg_statistic_ext', 's')}",
    owner="s.stxowner",
    expressions=(
        ExpressionQuery(
            "expressions", "expression", "'ROW(' || pg_get_expr(s.stxexprs, s.stxrelid) || ')'"
        ),
    ),
    of=RELATION,
)


_COLUMNS = CatalogQuery(
    "column",
    f"concat({RELATION}, '.', quote_ident(a.attname))",
    words(
        "format_type(a.atttypid, a.atttypmod)",
        flag("a.attnotnull", "not null"),
        "CASE a.attidentity WHEN 'a' THEN 'identity always'"
        " WHEN 'd' THEN 'identity by default' END",
        "CASE a.attgenerated WHEN 's' THEN 'generated' WHEN 'v' THEN 'generated virtually' END",
        f"CASE WHEN a.attcollation <> t.typcollation THEN"
        f" {_COLLATION.format(oid='a.attcollation')} END",
        "CASE WHEN a.attstorage <> t.typstorage THEN concat('storage ', a.attstorage) END",
        "'compression ' || nullif(a.attcompression::text, '')",
        "'statistics ' || nullif(a.attstattarget, -1)",
        f"'with ' || {options('a.attoptions')}",
        f"'foreign options ' || {digest(options('a.attfdwoptions'))}",
    ),
    f"{OF_RELATION} JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
    " AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_attrdef ad ON ad.adrelid = c.oid AND ad.adnum = a.attnum",
    f"c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND {RELATION_OURS}",
    grants=own_grants("a.attacl", "c.relowner", "c"),
    expressions=(ExpressionQuery("default", "expression", "pg_get_expr(ad.adbin, ad.adrelid)"),),
    of=RELATION,
)


def _indexes(major: int) -> CatalogQuery:
    keys = (
        "(SELECT string_agg(concat_ws(' ', coalesce((SELECT quote_ident(a.attname)"
        " FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = k.number"
        " AND k.number > 0), 'expression'),"
        f" {_COLLATION.format(oid='i.indcollation[k.position - 1]')},"
        f" {_OPERATOR_CLASS.format(oid='i.indclass[k.position - 1]')},"
        f" {options('x2.attoptions')},"
        " 'statistics ' || nullif(x2.attstattarget, -1),"
        " CASE WHEN k.position > i.indnkeyatts THEN 'included' END,"
        " CASE WHEN i.indoption[k.position - 1] & 1 = 1 THEN 'descending' END,"
        " CASE WHEN i.indoption[k.position - 1] & 2 = 2 THEN 'nulls first' END),"
        " ', ' ORDER BY k.position) FROM unnest(i.indkey) WITH ORDINALITY k(number, position)"
        " JOIN pg_attribute x2 ON x2.attrelid = i.indexrelid AND x2.attnum = k.position)"
    )
    return CatalogQuery(
        "index",
        "format('%I.%I', n.nspname, x.relname)",
        words(
            f"concat('on ', {RELATION})",
            "(SELECT amname FROM pg_am WHERE pg_am.oid = x.relam)",
            f"concat('(', {keys}, ')')",
            flag("i.indisunique", "unique"),
            flag("i.indnullsnotdistinct", "nulls not distinct") if major >= 15 else "NULL",
            flag("i.indisprimary", "primary"),
            flag("i.indisexclusion", "exclusion"),
            flag("NOT i.indimmediate", "deferrable"),
            flag("i.indisclustered", "clustered by it"),
            flag("i.indisreplident", "replica identity"),
            f"'with ' || {options('x.reloptions')}",
            "(SELECT concat('part of ', h.inhparent::regclass) FROM pg_inherits h"
            " WHERE h.inhrelid = x.oid)",
        ),
        f"pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN {OF_RELATION}"
        " ON c.oid = i.indrelid",
        # pg_dump leaves out what a failed CREATE INDEX CONCURRENTLY left behind.
        f"i.indisready AND (i.indisvalid OR c.relkind = 'p') AND {RELATION_OURS}",
        tablespace=tablespace("x.reltablespace"),
        expressions=(
            ExpressionQuery(
                "keys", "expression", "'ROW(' || pg_get_expr(i.indexprs, i.indrelid) || ')'"
            ),
            ExpressionQuery("WHERE", "expression", "pg_get_expr(i.indpred, i.indrelid)"),
        ),
        of=RELATION,
    )


def _constraints(major: int) -> CatalogQuery:
    # A partition's foreign key that came of its parent's may be called otherwise after a restore.
    root = (
        "(WITH RECURSIVE up (id) AS (SELECT k.conparentid UNION ALL SELECT u.conparentid"
        " FROM up JOIN pg_constraint u ON u.oid = up.id WHERE u.conparentid <> 0)"
        " SELECT concat(r.conrelid::regclass, ' ', quote_ident(r.conname)) FROM up"
        " JOIN pg_constraint r ON r.oid = up.id WHERE r.conparentid = 0)"
    )
    return CatalogQuery(
        "constraint",
        f"concat({RELATION}, ' ', CASE WHEN k.contype = 'f' AND k.conparentid <> 0"
        f" THEN concat('to ', k.confrelid::regclass, ' as of ', {root})"
        " ELSE quote_ident(k.conname) END)",
        words(
            "CASE k.contype WHEN 'c' THEN 'check'"
            " WHEN 'x' THEN concat_ws(' ', 'exclude', (SELECT string_agg("
            "o.number::regoperator::text, ', ' ORDER BY o.position)"
            " FROM unnest(k.conexclop) WITH ORDINALITY o(number, position)),"
            " CASE WHEN k.condeferrable THEN 'deferrable' END,"
            " CASE WHEN k.condeferred THEN 'deferred' END)"
            " ELSE pg_get_constraintdef(k.oid) END",
            flag("k.contype = 'c' AND k.connoinherit", "no inherit"),
            *_validity(major),
        ),
        f"pg_constraint k JOIN {OF_RELATION} ON c.oid = k.conrelid",
        f"k.contype IN ('c', 'f', 'p', 'u', 'x') AND {RELATION_OURS}",
        expressions=(ExpressionQuery("CHECK", "expression", "pg_get_expr(k.conbin, k.conrelid)"),),
        of=RELATION,
    )


def _not_null(major: int) -> CatalogQuery:
    """Constraints of their own from version 18 on."""
    return CatalogQuery(
        NOT_NULL,
        f"concat({RELATION}, ' ', quote_ident(k.conname))",
        words(
            _NAMES_OF_COLUMNS.format(relation="k.conrelid", numbers="k.conkey"),
            flag("k.connoinherit", "no inherit"),
            *_validity(major),
        ),
        f"pg_constraint k JOIN {OF_RELATION} ON c.oid = k.conrelid",
        f"k.contype = 'n' AND {RELATION_OURS}",
    )


def _validity(major: int) -> tuple[str, ...]:
    return (
        flag("NOT k.convalidated", "not validated"),
        *((flag("NOT k.conenforced", "not enforced"),) if major >= 18 else ()),
    )


def relation_queries(major: int) -> tuple[CatalogQuery, ...]:
    """For a server of this major version."""
    return (
        _TABLES,
        _COLUMNS,
        _VIEWS,
        _SEQUENCES,
        _indexes(major),
        _constraints(major),
        *((_not_null(major),) if major >= NAMED_NOT_NULL_SINCE else ()),
        _TRIGGERS,
        _RULES,
        _POLICIES,
        _STATISTICS,
    )
