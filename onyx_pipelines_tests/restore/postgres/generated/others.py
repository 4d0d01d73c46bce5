"""What stands beside tables in a schema, or belongs to the whole database."""

from __future__ import annotations

from onyx_pipelines_tests.restore.postgres.generated.drawing import Drawing, literal


def schema(d: Drawing) -> None:
    name = d.name()
    d.add(f"CREATE SCHEMA {name} AUTHORIZATION {d.role()}")
    d.schemas.append(name)


def enum(d: Drawing) -> None:
    name, label = d.new(), d.plain_name()
    d.add(
        f"CREATE TYPE {name} AS ENUM ('a', {literal(label)})",
        f"ALTER TYPE {name} ADD VALUE 'before' BEFORE 'a'",
    )
    d.values[name] = f"(array['a', {literal(label)}])[(1 + i % 2)::integer]::{name}"


def composite(d: Drawing) -> None:
    name = d.new()
    kind = d.one(sorted(d.values))
    d.add(f"CREATE TYPE {name} AS ({d.name()} integer, {d.name()} {kind})")
    d.values[name] = f"ROW(i, {d.values[kind]})::{name}"


def domain(d: Drawing) -> None:
    name = d.new()
    kind, values = d.one(
        [
            ("integer", "(i % 10)::integer"),
            ("varchar(20)", "'v' || i % 10"),
            ("text[]", "array['v', NULL]"),
        ]
    )
    check = d.one(
        [
            f"CHECK (VALUE IS NOT NULL OR true) CONSTRAINT {d.name()} CHECK (true)",
            "CHECK (VALUE::text NOT IN ('z', 'it''s') AND VALUE IS DISTINCT FROM NULL) NOT NULL",
            "DEFAULT NULL",
        ]
    )
    d.add(f"CREATE DOMAIN {name} AS {kind} {check}")
    if d.chance():
        d.add(
            f"ALTER DOMAIN {name} ADD CONSTRAINT {d.name()} CHECK (VALUE IS NOT NULL) NOT VALID",
            f"COMMENT ON DOMAIN {name} IS {literal(d.plain_name())}",
        )
    d.values[name] = f"({values})::{name}"


def range_type(d: Drawing) -> None:
    name = d.new()
    subtype = d.one(["float8", "text", "date", "numeric"])
    more = {
        "float8": ", SUBTYPE_DIFF = float8mi",
        "text": ', COLLATION = "C"',
        "numeric": f", MULTIRANGE_TYPE_NAME = {d.new()}",
    }.get(subtype, "")
    d.add(f"CREATE TYPE {name} AS RANGE (SUBTYPE = {subtype}{more})")
    if subtype in {"float8", "numeric"}:
        d.values[name] = f"{name}(i, i + 2, '[]')"


def base_type(d: Drawing) -> None:
    name, into, out, cast = d.new(), d.new(), d.new(), d.new()
    d.add(
        f"CREATE TYPE {name}",
        f"CREATE FUNCTION {into}(cstring) RETURNS {name} LANGUAGE internal IMMUTABLE STRICT"
        " AS 'textin'",
        f"CREATE FUNCTION {out}({name}) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT"
        " AS 'textout'",
        f"CREATE TYPE {name} (INPUT = {into}, OUTPUT = {out}, LIKE = text, CATEGORY = 'S')",
        f"CREATE FUNCTION {cast}({name}) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1'",
        d.one(
            [
                f"CREATE CAST ({name} AS integer) WITH FUNCTION {cast}({name})",
                f"CREATE CAST ({name} AS text) WITHOUT FUNCTION AS IMPLICIT",
                f"CREATE CAST ({name} AS varchar) WITH INOUT AS ASSIGNMENT",
            ]
        ),
    )
    d.values[name] = f"('w' || i)::{name}"


def function(d: Drawing) -> None:
    name = d.new()
    how = d.one(["", "IMMUTABLE STRICT LEAKPROOF", "STABLE PARALLEL SAFE COST 7", "VOLATILE"])
    choices = [
        (f"{name}(a integer)", f"RETURNS integer LANGUAGE sql {how} AS $$ SELECT a + 1; -- n\n$$"),
        (
            f"{name}(a text, b varchar = 'it''s')",
            f"RETURNS boolean LANGUAGE sql {how} RETURN a IN ('p'::varchar, b)",
        ),
        (f"{name}()", f"RETURNS SETOF integer LANGUAGE sql {how} ROWS 5 AS 'VALUES (1)'"),
        (
            f"{name}(VARIADIC a text[])",
            f"RETURNS TABLE (x integer, y text) LANGUAGE plpgsql {how} SET search_path = public,"
            " pg_temp AS 'BEGIN RETURN; END'",
        ),
        (f"{name}(a anyelement)", "RETURNS anyarray LANGUAGE sql AS 'SELECT array[a]'"),
    ]
    table = d.table()
    if table is not None:
        choices.append(
            (
                f"{name}(a {table.name})",
                "RETURNS bigint LANGUAGE sql SECURITY DEFINER BEGIN ATOMIC SELECT count(*) FROM"
                f" {table.name}; END",
            )
        )
    signature, body = d.one(choices)
    d.add(f"CREATE FUNCTION {signature} {body}")
    d.functions.append(signature.replace(" = 'it''s'", ""))


def procedure(d: Drawing) -> None:
    name = d.new()
    d.add(
        f"CREATE PROCEDURE {name}(INOUT a integer, b text DEFAULT NULL) LANGUAGE plpgsql"
        " AS 'BEGIN COMMIT; a := 2; END'",
        f"COMMENT ON PROCEDURE {name} IS {literal(d.plain_name())}",
    )


def aggregate(d: Drawing) -> None:
    d.add(
        f"CREATE AGGREGATE {d.new()}"
        + d.one(
            [
                "(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0', PARALLEL = SAFE,"
                " COMBINEFUNC = int4pl)",
                "(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal,"
                " FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA)",
                "(text) (SFUNC = textcat, STYPE = text, MSFUNC = textcat, MSTYPE = text,"
                " MINVFUNC = textcat, MINITCOND = 'it''s')",
                "(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0', SORTOP = <)",
            ]
        )
    )


def operator(d: Drawing) -> None:
    where = d.one(d.schemas)
    sign = d.one(["===", "<=>", "!!!", "@#@", "<<<>"])
    name = d.new()
    d.add(
        f"CREATE FUNCTION {name}(point, point) RETURNS boolean LANGUAGE sql IMMUTABLE"
        " AS 'SELECT $1 ~= $2'",
        f"CREATE OPERATOR {where}.{sign} (LEFTARG = point, RIGHTARG = point, FUNCTION = {name},"
        f" COMMUTATOR = OPERATOR({where}.{sign}), RESTRICT = eqsel, JOIN = eqjoinsel)",
        f"COMMENT ON OPERATOR {where}.{sign} (point, point) IS 'same'",
    )


def operator_class(d: Drawing) -> None:
    family = d.new()
    d.add(
        f"CREATE OPERATOR FAMILY {family} USING btree",
        f"CREATE OPERATOR CLASS {d.new()} FOR TYPE integer USING btree FAMILY {family} AS"
        " OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,"
        " FUNCTION 1 btint4cmp(integer, integer)",
        f"ALTER OPERATOR FAMILY {family} USING btree ADD OPERATOR 1 < (bigint, integer)",
    )


def sequence(d: Drawing) -> None:
    name = d.new()
    kind = d.one(["smallint", "integer", "bigint"])
    step = d.one([-3, -1, 1, 10])
    d.add(
        f"CREATE {d.one(['', 'UNLOGGED '])}SEQUENCE {name} AS {kind} INCREMENT {step}"
        f" MINVALUE -900 MAXVALUE 900 START {d.number(-900, 900)} CACHE {d.number(1, 9)}"
        f"{d.maybe('CYCLE')}",
    )
    for _ in range(d.number(0, 3)):
        d.add(f"SELECT nextval({literal(name)})")
    if d.chance():
        state = d.one(["true", "false"])
        d.add(f"SELECT setval({literal(name)}, {d.number(-900, 900)}, {state})")
    table = d.table("")
    if table is not None and d.chance():
        d.add(f"ALTER TABLE {table.name} ADD COLUMN {d.name()} bigint DEFAULT nextval('{name}')")


def collation(d: Drawing) -> None:
    d.add(
        f"CREATE COLLATION {d.new()} "
        + d.one(
            [
                "(PROVIDER = libc, LOCALE = 'C')",
                "(PROVIDER = icu, LOCALE = 'en-u-kn-true')",
                "(PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false)",
            ]
        )
    )


def text_search(d: Drawing) -> None:
    parser, dictionary, configuration = d.new(), d.new(), d.new()
    d.add(
        f"CREATE TEXT SEARCH PARSER {parser} (START = prsd_start, GETTOKEN = prsd_nexttoken,"
        " END = prsd_end, LEXTYPES = prsd_lextype)",
        f"CREATE TEXT SEARCH TEMPLATE {d.new()} (INIT = dsimple_init, LEXIZE = dsimple_lexize)",
        f"CREATE TEXT SEARCH DICTIONARY {dictionary} (TEMPLATE = simple, ACCEPT = false)",
        f"CREATE TEXT SEARCH CONFIGURATION {configuration} (PARSER = {parser})",
        f"ALTER TEXT SEARCH CONFIGURATION {configuration} ADD MAPPING FOR asciiword, word"
        f" WITH {dictionary}, simple",
        f"COMMENT ON TEXT SEARCH CONFIGURATION {configuration} IS 'search'",
    )


def foreign_data(d: Drawing) -> None:
    wrapper, server, table = d.name(), d.name(), d.new()
    d.add(
        f"CREATE FOREIGN DATA WRAPPER {wrapper} OPTIONS (debug {literal(d.plain_name())})",
        f"CREATE SERVER {server} TYPE 'x' VERSION '1' FOREIGN DATA WRAPPER {wrapper}"
        " OPTIONS (host 'it''s', \"odd key\" 'v')",
        f"CREATE USER MAPPING FOR {d.role()} SERVER {server} OPTIONS (password 'hidden')",
        f"CREATE USER MAPPING FOR PUBLIC SERVER {server}",
        f"CREATE FOREIGN TABLE {table} ({d.name()} integer OPTIONS (column_name 'z') NOT NULL,"
        f" CHECK (true)) SERVER {server} OPTIONS (file 'f')",
        f"GRANT USAGE ON FOREIGN SERVER {server} TO {d.role()} WITH GRANT OPTION",
    )


def publication(d: Drawing) -> None:
    table = d.table("", "heir", "partitioned", "keyed")
    what = [f"FOR TABLES IN SCHEMA {d.one(d.schemas)}", "FOR ALL TABLES", ""]
    if table is not None:
        what += [f"FOR TABLE ONLY {table.name} WHERE (true)", f"FOR TABLE {table.name}"]
    options = d.one(["", "WITH (publish = 'insert')", "WITH (publish_via_partition_root)"])
    d.add(f"CREATE PUBLICATION {d.name()} {d.one(what)} {options}")


def event_trigger(d: Drawing) -> None:
    function, name = d.new(), d.name()
    event = d.one(["ddl_command_start", "ddl_command_end", "sql_drop", "table_rewrite"])
    state = d.one(["ENABLE", "DISABLE", "ENABLE ALWAYS"])
    d.add(
        f"CREATE FUNCTION {function}() RETURNS event_trigger LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM 1; END'",
        f"CREATE EVENT TRIGGER {name} ON {event} EXECUTE FUNCTION {function}()",
        f"ALTER EVENT TRIGGER {name} {state}",
    )


def large_object(d: Drawing) -> None:
    number = 70_000 + d.number(1, 9999)
    d.add(
        f"SELECT lo_from_bytea({number}, decode(repeat('00ff', {d.number(0, 3000)}), 'hex'))",
        f"ALTER LARGE OBJECT {number} OWNER TO {d.role()}",
        f"GRANT SELECT ON LARGE OBJECT {number} TO {d.role()}",
        f"COMMENT ON LARGE OBJECT {number} IS {literal(d.plain_name())}",
    )


def extension(d: Drawing) -> None:
    name = d.one(["pg_trgm", "hstore", "citext", "btree_gist", "intarray", "unaccent", "ltree"])
    d.add(f"CREATE EXTENSION {name} SCHEMA {d.one(d.schemas)}")


def rare(d: Drawing) -> None:
    """Kinds of which a database has one, if any."""
    kinds = [
        f"CREATE LANGUAGE {d.name()} HANDLER plpgsql_call_handler",
        f"CREATE CONVERSION {d.new()} FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
        f"CREATE ACCESS METHOD {d.name()} TYPE TABLE HANDLER heap_tableam_handler",
        "CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION"
        " prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal))",
        "REVOKE USAGE ON LANGUAGE sql FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO {d.role()}",
        f"CREATE SUBSCRIPTION {d.name()} CONNECTION 'host=nowhere.invalid password=hidden'"
        f" PUBLICATION p, {d.name()} WITH (connect = false, slot_name = NONE)",
    ]
    d.add(*(d.one(kinds) for _ in range(3)))


def rights(d: Drawing) -> None:
    table = d.table()
    role = d.role()
    choices = [
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {d.role()} GRANT SELECT ON TABLES TO {role}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {d.one(d.schemas)} GRANT ALL ON SEQUENCES TO {role}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        f"GRANT ALL ON SCHEMA {d.one(d.schemas)} TO {role} WITH GRANT OPTION",
        f"REVOKE ALL ON SCHEMA {d.one(d.schemas)} FROM PUBLIC",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {d.one(d.schemas)} TO {role}, PUBLIC",
    ]
    if table is not None:
        choices += [
            f"ALTER TABLE {table.name} OWNER TO {role}",
            f"GRANT SELECT, TRIGGER ON {table.name} TO {role} WITH GRANT OPTION",
            f"REVOKE ALL ON {table.name} FROM CURRENT_USER",
        ]
        choices += [
            f"GRANT UPDATE ({column}) ON {table.name} TO {role}" for column in table.any_of()[:1]
        ]
    for signature in d.functions[-1:]:
        name = signature.partition("(")[0]
        choices += [
            f"REVOKE EXECUTE ON ROUTINE {name} FROM PUBLIC",
            f"ALTER ROUTINE {name} OWNER TO {role}",
        ]
    d.add(d.one(choices))


def comment(d: Drawing) -> None:
    text = literal(f"{d.plain_name()}; it's\n\\.\n--")
    choices = [f"COMMENT ON SCHEMA {d.one(d.schemas)} IS {text}"]
    table = d.table()
    if table is not None:
        choices.append(f"COMMENT ON TABLE {table.name} IS {text}")
        choices += [
            f"COMMENT ON COLUMN {table.name}.{column} IS {text}" for column in table.any_of()[:1]
        ]
    choices += [f"COMMENT ON VIEW {name} IS {text}" for name in d.views[-1:]]
    d.add(d.one(choices))
