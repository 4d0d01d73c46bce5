"""Everything that a schema may hold besides relations, as schema items."""

from __future__ import annotations

from onyx_pipelines.sources.postgres.catalog_query import (
    FIRST_OID,
    OURS,
    CatalogQuery,
    ExpressionQuery,
    digest,
    flag,
    grants,
    not_of_extension,
    options,
    own_grants,
    words,
)

_FUNCTION = "format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))"


def _named(alias: str, column: str) -> str:
    return f"format('%I.%I', n.nspname, {alias}.{column})"


def _in_schemas(catalog: str, alias: str, column: str) -> tuple[str, str]:
    """FROM and WHERE for what lives in a schema."""
    return (
        f"{catalog} {alias} JOIN pg_namespace n ON n.oid = {alias}.{column}",
        f"{OURS} AND {not_of_extension(catalog, alias)}",
    )


def _outside_schemas(catalog: str, alias: str) -> tuple[str, str]:
    """The same for what lives in none."""
    return (
        f"{catalog} {alias}",
        f"{alias}.oid >= {FIRST_OID} AND {not_of_extension(catalog, alias)}",
    )


# `public` belongs to nobody in particular unless somebody changed that.
_OWNER_OF_SCHEMA = (
    "CASE WHEN n.nspname = 'public' AND (n.nspowner = 10"
    " OR pg_get_userbyid(n.nspowner) = 'pg_database_owner') THEN NULL ELSE n.nspowner END"
)
_FIRST_GRANTS_OF_SCHEMA = (
    "coalesce((SELECT initprivs FROM pg_init_privs WHERE classoid = 'pg_namespace'::regclass"
    " AND objoid = n.oid), acldefault('n', n.nspowner))"
)

_SCHEMAS = CatalogQuery(
    "schema",
    "quote_ident(n.nspname)",
    "''",
    "pg_namespace n",
    f"{OURS} AND {not_of_extension('pg_namespace', 'n')}",
    owner=_OWNER_OF_SCHEMA,
    grants=grants("n.nspacl", "n.nspowner", base=_FIRST_GRANTS_OF_SCHEMA),
)

_FUNCTIONS = CatalogQuery(
    "function",
    _FUNCTION,
    "CASE WHEN p.prokind = 'a' THEN (SELECT concat_ws('; ', 'aggregate', g.aggkind,"
    " format_type(p.prorettype, NULL), g.aggnumdirectargs, g.aggtransfn::regproc,"
    " g.aggfinalfn::regproc, g.aggcombinefn::regproc, g.aggserialfn::regproc,"
    " g.aggdeserialfn::regproc, g.aggmtransfn::regproc, g.aggminvtransfn::regproc,"
    " g.aggmfinalfn::regproc, g.aggfinalextra, g.aggmfinalextra,"
    # Of a function that there is not, this is in no dump.
    " CASE WHEN g.aggfinalfn <> 0 THEN g.aggfinalmodify END,"
    " CASE WHEN g.aggmfinalfn <> 0 THEN g.aggmfinalmodify END,"
    " g.aggsortop::regoperator, format_type(g.aggtranstype, NULL),"
    " g.aggtransspace, g.agginitval, format_type(nullif(g.aggmtranstype, 0), NULL),"
    " nullif(g.aggmtransspace, 0), g.aggminitval, p.proparallel)"
    " FROM pg_aggregate g WHERE g.aggfnoid = p.oid)"
    " ELSE CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'w' THEN 'window' ELSE '' END END",
    *_in_schemas("pg_proc", "p", "pronamespace"),
    owner="p.proowner",
    grants=own_grants("p.proacl", "p.proowner", "f"),
    expressions=(
        ExpressionQuery(
            "function",
            "function",
            "CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END",
        ),
    ),
    of=_FUNCTION,
)

_BASE_TYPE = (
    "concat(format_type(t.typbasetype, t.typtypmod), (SELECT format(' COLLATE %I.%I',"
    " cn.nspname, co.collname) FROM pg_collation co JOIN pg_namespace cn"
    " ON cn.oid = co.collnamespace JOIN pg_type b ON b.oid = t.typbasetype"
    " WHERE co.oid = t.typcollation AND b.typcollation <> t.typcollation))"
)
_DOMAIN_CHECKS = (
    "(SELECT json_agg(json_build_array(concat('CHECK ', k.conname), 'domain check',"
    f" {_BASE_TYPE}, pg_get_expr(k.conbin, 0)) ORDER BY k.conname) FROM pg_constraint k"
    " WHERE k.contypid = t.oid AND k.contype = 'c')"
)
_TYPES = CatalogQuery(
    "type",
    _named("t", "typname"),
    words(
        "CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range'"
        " WHEN 'c' THEN 'composite' WHEN 'p' THEN 'shell' ELSE 'base' END",
        "(SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)"
        " FROM pg_enum e WHERE e.enumtypid = t.oid)",
        f"CASE t.typtype WHEN 'd' THEN {_BASE_TYPE} END",
        flag("t.typnotnull", "not null"),
        "(SELECT 'not validated ' || string_agg(quote_ident(k.conname), ', ' ORDER BY k.conname)"
        " FROM pg_constraint k WHERE k.contypid = t.oid AND NOT k.convalidated)",
        "(SELECT concat_ws(' ', format_type(r.rngsubtype, NULL), r.rngcollation::regcollation,"
        " (SELECT format('%I.%I', o.nspname, c.opcname) FROM pg_opclass c JOIN pg_namespace o"
        " ON o.oid = c.opcnamespace WHERE c.oid = r.rngsubopc), r.rngcanonical, r.rngsubdiff)"
        " FROM pg_range r WHERE r.rngtypid = t.oid)",
        "CASE WHEN t.typtype = 'b' THEN concat_ws(' ', t.typlen, t.typbyval, t.typcategory,"
        " t.typispreferred, t.typdelim, t.typinput, t.typoutput, t.typreceive, t.typsend,"
        " t.typmodin, t.typmodout, t.typanalyze, t.typalign, t.typstorage,"
        " format_type(nullif(t.typelem, 0), NULL), t.typdefault,"
        " CASE WHEN t.typcollation <> 0 THEN 'collatable' END,"
        " nullif(to_jsonb(t)->>'typsubscript', '-')) END",
    ),
    "pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
    " LEFT JOIN pg_class c ON c.oid = t.typrelid",
    # Arrays and multiranges come with their types, composite types of tables with these.
    "(t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')"
    " OR (t.typtype = 'b' AND t.typcategory <> 'A') OR (t.typtype = 'p' AND NOT t.typisdefined))"
    f" AND {OURS} AND {not_of_extension('pg_type', 't')}",
    owner="t.typowner",
    grants=own_grants("t.typacl", "t.typowner", "T"),
    expressions=(ExpressionQuery("default", "expression", "pg_get_expr(t.typdefaultbin, 0)"),),
    more=f"CASE t.typtype WHEN 'd' THEN {_DOMAIN_CHECKS} END",
)

_OPERATORS = CatalogQuery(
    "operator",
    "o.oid::regoperator::text",
    words(
        "o.oprcode::regprocedure::text",
        "nullif(o.oprcom, 0)::regoperator::text",
        "nullif(o.oprnegate, 0)::regoperator::text",
        "concat_ws(' ', o.oprrest, o.oprjoin)",
        flag("o.oprcanhash", "hashes"),
        flag("o.oprcanmerge", "merges"),
    ),
    *_in_schemas("pg_operator", "o", "oprnamespace"),
    owner="o.oprowner",
)
# Where an operator names one that is yet to be made, that is there without a function.
_OF_METHOD = "(SELECT quote_ident(amname) FROM pg_am WHERE pg_am.oid = {oid})"
_OPERATOR_CLASSES = CatalogQuery(
    "operator class",
    f"concat({_named('o', 'opcname')}, ' using ', {_OF_METHOD.format(oid='o.opcmethod')})",
    words(
        "format_type(o.opcintype, NULL)",
        flag("o.opcdefault", "default"),
        "format_type(nullif(o.opckeytype, 0), NULL)",
        "(SELECT format('family %I.%I', fn.nspname, f.opfname) FROM pg_opfamily f"
        " JOIN pg_namespace fn ON fn.oid = f.opfnamespace WHERE f.oid = o.opcfamily)",
    ),
    *_in_schemas("pg_opclass", "o", "opcnamespace"),
    owner="o.opcowner",
)
_OPERATOR_FAMILIES = CatalogQuery(
    "operator family",
    f"concat({_named('f', 'opfname')}, ' using ', {_OF_METHOD.format(oid='f.opfmethod')})",
    words(
        "(SELECT string_agg(concat_ws(' ', m.amopstrategy, m.amoppurpose,"
        " m.amopopr::regoperator, (SELECT format('by %I.%I', bn.nspname, b.opfname)"
        " FROM pg_opfamily b JOIN pg_namespace bn ON bn.oid = b.opfnamespace"
        " WHERE b.oid = m.amopsortfamily)), ', '"
        " ORDER BY m.amopopr::regoperator::text, m.amopstrategy)"
        " FROM pg_amop m WHERE m.amopfamily = f.oid)",
        "(SELECT string_agg(concat_ws(' ', r.amprocnum, format_type(r.amproclefttype, NULL),"
        " format_type(r.amprocrighttype, NULL), r.amproc::regprocedure), ', '"
        " ORDER BY r.amprocnum, format_type(r.amproclefttype, NULL),"
        " format_type(r.amprocrighttype, NULL)) FROM pg_amproc r WHERE r.amprocfamily = f.oid)",
    ),
    *_in_schemas("pg_opfamily", "f", "opfnamespace"),
    owner="f.opfowner",
)
_ACCESS_METHODS = CatalogQuery(
    "access method",
    "quote_ident(m.amname)",
    "concat_ws(' ', m.amtype, m.amhandler)",
    *_outside_schemas("pg_am", "m"),
)
_CASTS = CatalogQuery(
    "cast",
    "format('%s as %s', format_type(k.castsource, NULL), format_type(k.casttarget, NULL))",
    "concat_ws(' ', nullif(k.castfunc, 0)::regprocedure, k.castcontext, k.castmethod)",
    *_outside_schemas("pg_cast", "k"),
)
_TRANSFORMS = CatalogQuery(
    "transform",
    "format('for %s language %I', format_type(t.trftype, NULL), l.lanname)",
    "concat_ws(' ', nullif(t.trffromsql, 0)::regprocedure, nullif(t.trftosql, 0)::regprocedure)",
    "pg_transform t JOIN pg_language l ON l.oid = t.trflang",
    f"t.oid >= {FIRST_OID} AND {not_of_extension('pg_transform', 't')}",
)
_LANGUAGES = CatalogQuery(
    "language",
    "quote_ident(l.lanname)",
    words(
        flag("l.lanpltrusted", "trusted"),
        "nullif(l.lanplcallfoid, 0)::regprocedure::text",
        "nullif(l.laninline, 0)::regprocedure::text",
        "nullif(l.lanvalidator, 0)::regprocedure::text",
    ),
    *_outside_schemas("pg_language", "l"),
    owner="l.lanowner",
    grants=own_grants("l.lanacl", "l.lanowner", "l"),
)
_CONVERSIONS = CatalogQuery(
    "conversion",
    _named("k", "conname"),
    words(
        "pg_encoding_to_char(k.conforencoding)",
        "pg_encoding_to_char(k.contoencoding)",
        "k.conproc::text",
        flag("k.condefault", "default"),
    ),
    *_in_schemas("pg_conversion", "k", "connamespace"),
    owner="k.conowner",
)
_TEXT_SEARCH = (
    CatalogQuery(
        "text search parser",
        _named("p", "prsname"),
        "concat_ws(' ', p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype)",
        *_in_schemas("pg_ts_parser", "p", "prsnamespace"),
    ),
    CatalogQuery(
        "text search template",
        _named("t", "tmplname"),
        "concat_ws(' ', t.tmplinit, t.tmpllexize)",
        *_in_schemas("pg_ts_template", "t", "tmplnamespace"),
    ),
    CatalogQuery(
        "text search dictionary",
        _named("x", "dictname"),
        "concat_ws('; ', (SELECT format('%I.%I', tn.nspname, t.tmplname) FROM pg_ts_template t"
        " JOIN pg_namespace tn ON tn.oid = t.tmplnamespace WHERE t.oid = x.dicttemplate),"
        " x.dictinitoption)",
        *_in_schemas("pg_ts_dict", "x", "dictnamespace"),
        owner="x.dictowner",
    ),
    CatalogQuery(
        "text search configuration",
        _named("k", "cfgname"),
        "concat_ws('; ', (SELECT format('%I.%I', pn.nspname, p.prsname) FROM pg_ts_parser p"
        " JOIN pg_namespace pn ON pn.oid = p.prsnamespace WHERE p.oid = k.cfgparser),"
        " (SELECT string_agg(concat_ws(' ', m.maptokentype, m.mapdict::regdictionary), ', '"
        " ORDER BY m.maptokentype, m.mapseqno) FROM pg_ts_config_map m WHERE m.mapcfg = k.oid))",
        *_in_schemas("pg_ts_config", "k", "cfgnamespace"),
        owner="k.cfgowner",
    ),
)
_FOREIGN = (
    CatalogQuery(
        "foreign-data wrapper",
        "quote_ident(w.fdwname)",
        words(
            "nullif(w.fdwhandler, 0)::regprocedure::text",
            "nullif(w.fdwvalidator, 0)::regprocedure::text",
            f"'options ' || {digest(options('w.fdwoptions'))}",
        ),
        *_outside_schemas("pg_foreign_data_wrapper", "w"),
        owner="w.fdwowner",
        grants=own_grants("w.fdwacl", "w.fdwowner", "F"),
    ),
    CatalogQuery(
        "foreign server",
        "quote_ident(s.srvname)",
        words(
            "(SELECT quote_ident(w.fdwname) FROM pg_foreign_data_wrapper w WHERE w.oid = s.srvfdw)",
            "'type ' || s.srvtype",
            "'version ' || s.srvversion",
            f"'options ' || {digest(options('s.srvoptions'))}",
        ),
        *_outside_schemas("pg_foreign_server", "s"),
        owner="s.srvowner",
        grants=own_grants("s.srvacl", "s.srvowner", "S"),
    ),
    CatalogQuery(
        "user mapping",
        "format('%s on %I', CASE u.umuser WHEN 0 THEN 'PUBLIC'"
        " ELSE quote_ident(pg_get_userbyid(u.umuser)) END, u.srvname)",
        # Not shown to everybody; nothing then.
        f"coalesce('options ' || {digest(options('u.umoptions'))}, '')",
        "pg_user_mappings u",
        "true",
    ),
)
# In whose name it was made is not in a dump.
_EXTENSIONS = CatalogQuery(
    "extension",
    "quote_ident(e.extname)",
    "concat('in ', e.extnamespace::regnamespace)",
    "pg_extension e",
    f"e.oid >= {FIRST_OID}",
)
_EVENT_TRIGGERS = CatalogQuery(
    "event trigger",
    "quote_ident(e.evtname)",
    words(
        "concat('on ', e.evtevent)",
        "e.evtfoid::regprocedure::text",
        "concat('enabled ', e.evtenabled)",
        options("e.evttags"),
    ),
    *_outside_schemas("pg_event_trigger", "e"),
    owner="e.evtowner",
)


def _collations(major: int) -> CatalogQuery:
    locale = "colllocale" if major >= 17 else "colliculocale" if major >= 15 else "collcollate"
    return CatalogQuery(
        "collation",
        _named("k", "collname"),
        words(
            "k.collprovider::text",
            f"CASE k.collprovider WHEN 'c' THEN concat_ws(' ', k.collcollate, k.collctype)"
            f" ELSE k.{locale} END",
            "k.collicurules" if major >= 16 else "NULL",
            flag("NOT k.collisdeterministic", "not deterministic"),
        ),
        *_in_schemas("pg_collation", "k", "collnamespace"),
        owner="k.collowner",
    )


def object_queries(major: int) -> tuple[CatalogQuery, ...]:
    """For a server of this major version."""
    return (
        _SCHEMAS,
        _FUNCTIONS,
        _TYPES,
        _collations(major),
        _OPERATORS,
        _OPERATOR_CLASSES,
        _OPERATOR_FAMILIES,
        _ACCESS_METHODS,
        _CASTS,
        _TRANSFORMS,
        _LANGUAGES,
        _CONVERSIONS,
        *_TEXT_SEARCH,
        *_FOREIGN,
        _EXTENSIONS,
        _EVENT_TRIGGERS,
    )
