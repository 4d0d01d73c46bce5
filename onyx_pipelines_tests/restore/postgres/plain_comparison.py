"""Two databases compared by what PostgreSQL itself says of them: `pg_dump --schema-only`, COPY, and
plain SQL. Nothing here knows how our own facts are read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import unified_diff

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines_tests.fixtures_postgres import target_of

# The header of an entry of a plain dump.
_ENTRY = re.compile(r"^--\n-- Name: (.+)\n--\n", re.MULTILINE)
# Stands between entries and holds for all that follow.
_DEFAULT = re.compile(r"^SET default_table_access_method = (.*);\n", re.MULTILINE)
_PLACE = "tablespace of "
_OF_TABLES = re.compile(r"; Type: (TABLE|INDEX|MATERIALIZED VIEW|CONSTRAINT);")
_END = re.compile(r"^--\n-- PostgreSQL database dump complete\n--\n.*", re.MULTILINE | re.DOTALL)

_TABLES = """
SELECT c.oid::regclass::text, format('%I.%I', n.nspname, c.relname), coalesce(
  (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname COLLATE "C") FROM pg_attribute
   WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relispopulated
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
_SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences"
# Name and value of what neither dump nor rows show.
_OTHERS = {
    "materialized view without rows": """
SELECT oid::regclass::text, '' FROM pg_class WHERE relkind = 'm' AND NOT relispopulated""",
    f"{_PLACE}the database": """
SELECT '', spcname FROM pg_tablespace t JOIN pg_database d ON t.oid = dattablespace
WHERE datname = current_database()""",
    f"{_PLACE}": """
SELECT format('%I.%I', n.nspname, relname), spcname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_tablespace t ON t.oid = reltablespace WHERE n.nspname !~ '^pg_'""",
    "large object": """
SELECT m.oid::text, concat_ws(' ', pg_get_userbyid(lomowner), sha256(lo_get(m.oid)),
  obj_description(m.oid, 'pg_largeobject'), (SELECT string_agg(
    format('%s:%s:%s:%s', grantor::regrole, CASE grantee WHEN 0 THEN '' ELSE grantee::regrole::text
      END, privilege_type, is_grantable), ' ' ORDER BY grantee::regrole::text, privilege_type)
    FROM aclexplode(coalesce(lomacl, acldefault('L', lomowner)))))
FROM pg_largeobject_metadata m""",
    "extension": """
SELECT extname, concat_ws(' ', extnamespace::regnamespace, extconfig::regclass[],
  extcondition) FROM pg_extension""",
    "database": """
SELECT key, value FROM pg_database d, jsonb_each_text(to_jsonb(d)
    - '{oid,datdba,datacl,datfrozenxid,datminmxid,dattablespace,datistemplate}'::text[]
    - '{datcollversion,datlastsysoid,datname,dathasloginevt}'::text[]
    - '{daticulocale,datlocale,daticurules}'::text[]
  || jsonb_build_object(
    'locale', coalesce(to_jsonb(d)->'daticulocale', to_jsonb(d)->'datlocale'),
    'rules', to_jsonb(d)->'daticurules', 'owner', pg_get_userbyid(datdba),
    'comment', shobj_description(oid, 'pg_database'),
    'grants', (SELECT jsonb_agg(format('%s:%s:%s', CASE grantee WHEN 0 THEN '' ELSE
        grantee::regrole::text END, privilege_type, is_grantable)
        ORDER BY grantee::regrole::text, privilege_type)
      FROM aclexplode(coalesce(datacl, acldefault('d', datdba))))))
WHERE datname = current_database()""",
    "setting": """
SELECT concat_ws(' ', nullif(setrole, 0)::regrole, split_part(line, '=', 1)), line
FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) AS line
WHERE datname = current_database()""",
}
_GLOBALS = {
    "tablespace": """
SELECT spcname, to_jsonb(t) - '{{oid,spcacl,spcowner}}'::text[] || jsonb_build_object(
  'owner', pg_get_userbyid(spcowner), 'comment', shobj_description(oid, 'pg_tablespace'),
  'grants', (SELECT jsonb_agg(format('%s:%s:%s', CASE grantee WHEN 0 THEN '' ELSE
      grantee::regrole::text END, privilege_type, is_grantable)
      ORDER BY grantee::regrole::text)
    FROM aclexplode(coalesce(spcacl, acldefault('t', spcowner)))))
FROM pg_tablespace t WHERE spcname ~ '{pattern}'""",
    "role": """
SELECT rolname, to_jsonb(r) - 'oid' || jsonb_build_object(
  'comment', shobj_description(oid, 'pg_authid'),
  'settings', (SELECT setconfig FROM pg_db_role_setting WHERE setrole = r.oid AND setdatabase = 0))
FROM pg_authid r WHERE rolname ~ '{pattern}'""",
    "member": """
SELECT concat_ws(' in ', member::regrole, roleid::regrole), to_jsonb(m) - '{{oid,roleid,member,
grantor,inherit_option,set_option}}'::text[]
FROM pg_auth_members m WHERE pg_get_userbyid(member) ~ '{pattern}'""",
}
# Rows as text, whatever the database, its roles or its server have set.
_SETTINGS = """
SET search_path = ''; SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle =
'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1; SET lc_monetary = 'C';
SET xmlbinary = 'base64'; SET default_transaction_read_only = on; SET row_security = off;
SET role = none; SET statement_timeout = 0; SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0
"""


@dataclass(frozen=True)
class Description:
    """A database at one time. `definitions`: by the headers of pg_dump's entries."""

    definitions: Mapping[str, str]
    rows: Mapping[str, bytes]
    others: Mapping[str, str]

    def without_places(self) -> Description:
        """Whatever tablespaces its relations and itself are in."""
        others = {k: v for k, v in self.others.items() if not k.startswith(_PLACE)}
        return replace(self, others=others)


def describe(server: PostgresServer, database: str, programs: Binaries) -> Description:
    """`programs`: of the newest of the versions that will be compared."""
    script = _pg_dump(server, database, programs, "--schema-only", "--no-tablespaces")
    with server.connect(database) as connection:
        connection.execute(_SETTINGS.encode())
        others = {
            f"{kind} {name}": value or ""
            for kind, query in _OTHERS.items()
            for name, value in connection.execute(query.encode())
        }
        for (name,) in connection.execute(_SEQUENCES.encode()).fetchall():
            state = connection.execute(f"SELECT last_value, is_called FROM {name}".encode())
            others[f"sequence {name}"] = str(state.fetchone())
        tables = connection.execute(_TABLES.encode()).fetchall()
        encoding = connection.info.parameter_status("server_encoding") or "UTF8"
        connection.execute(f"SET client_encoding = '{encoding}'".encode())
        rows = {name: _rows(connection, quoted, names) for name, quoted, names in tables}
    return Description(_entries(script.decode("utf-8", "surrogateescape")), rows, others)


def describe_globals(server: PostgresServer, pattern: str) -> Mapping[str, str]:
    """The roles whose names match, with memberships and settings; and the tablespaces."""
    with server.connect() as connection:
        return {
            f"{kind} {name}": str(value)
            for kind, query in _GLOBALS.items()
            for name, value in connection.execute(query.format(pattern=pattern).encode())
        }


def copy_plainly(
    server: PostgresServer, database: str, to: PostgresServer, name: str, programs: Binaries
) -> str:
    """By `pg_dump | psql` of these programs into a new database of the same encoding, all in its
    own tablespace; gives what psql complained of."""
    with server.connect(database) as connection:
        encoding, collate, ctype = connection.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_catalog.pg_database"
            " WHERE datname = current_database()"
        ).fetchall()[0]
    with to.connect() as connection:
        connection.execute(
            sql.SQL(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}"
            ).format(sql.Identifier(name), encoding, collate, ctype)
        )
        for statement in _settings_of(server, database, name):
            connection.execute(statement)
    result = subprocess.run(
        [
            *(str(programs.path("psql")), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"),
            f"--dbname={make_conninfo(dbname=name)}",
        ],
        input=_pg_dump(server, database, programs, "--no-tablespaces"),
        env=target_of(to).environment(name),
        capture_output=True,
        check=False,
    )
    return result.stderr.decode("utf-8", "replace") if result.returncode else ""


def differences(
    before: Description, after: Description, plain_copy: Description | None = None
) -> list[str]:
    """What is not as it was. PostgreSQL words some definitions otherwise once they were dumped and
    restored: those of `plain_copy`, which its own tools made, are as good as those of before."""
    found = []
    allowed = plain_copy.definitions if plain_copy else before.definitions
    for name in sorted({*before.definitions, *after.definitions}):
        now = after.definitions.get(name)
        if now not in (before.definitions.get(name), allowed.get(name)):
            found.append(_changed(name, before.definitions.get(name), now))
    for name in sorted({*before.rows, *after.rows}):
        then, now_rows = before.rows.get(name), after.rows.get(name)
        if then != now_rows:
            found.append(_changed(f"rows of {name}", _text(then), _text(now_rows)))
    return found + mapping_differences(before.others, after.others)


def mapping_differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [
        _changed(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _pg_dump(server: PostgresServer, database: str, programs: Binaries, *options: str) -> bytes:
    command = [str(programs.path("pg_dump")), "--no-password", *options]
    command.append(f"--dbname={make_conninfo(dbname=database)}")
    environment = target_of(server).environment(database, options="-c role=none")
    return subprocess.run(command, env=environment, check=True, capture_output=True).stdout


def _entries(script: str) -> dict[str, str]:
    """The entries of a plain dump; those of tables with the defaults that hold for them."""
    pieces = _ENTRY.split(script)
    default = _DEFAULT.findall(pieces[0])[-1:]
    found: dict[str, str] = {}
    for header, body in zip(pieces[1::2], pieces[2::2], strict=True):
        text = _DEFAULT.sub("", _END.sub("", body)).strip()
        if _OF_TABLES.search(header):
            text += f"\n{default}"
        found[header] = found.get(header, "") + text
        default = _DEFAULT.findall(body)[-1:] or default
    return found


def _rows(connection: psycopg.Connection, table: str, columns: str) -> bytes:
    query = (
        f"COPY (SELECT r::text FROM (SELECT {columns} FROM ONLY {table}) r"
        ' ORDER BY r::text COLLATE "C") TO STDOUT'
    )
    with connection.cursor() as cursor, cursor.copy(query.encode(connection.info.encoding)) as copy:
        return b"".join(bytes(block) for block in copy)


def _settings_of(server: PostgresServer, database: str, name: str) -> list[sql.Composed]:
    """Parameters of applications, which the rows of a database may need, for another one."""
    with server.connect(database) as connection:
        lines = connection.execute(
            "SELECT split_part(line, '=', 1), substr(line, strpos(line, '=') + 1)"
            " FROM pg_db_role_setting JOIN pg_catalog.pg_database d ON d.oid = setdatabase,"
            " unnest(setconfig) AS line WHERE datname = current_database() AND setrole = 0"
            " AND split_part(line, '=', 1) ~ '[.]'"
        ).fetchall()
    return [
        sql.SQL("ALTER DATABASE {} SET {} = {}").format(
            sql.Identifier(name), sql.Identifier(*parameter.split(".")), value
        )
        for parameter, value in lines
    ]


def _text(rows: bytes | None) -> str | None:
    return None if rows is None else rows.decode("utf-8", "backslashreplace")


def _changed(name: str, before: str | None, after: str | None) -> str:
    if after is None:
        return f"{name}: missing"
    if before is None:
        return f"{name}: was not there"
    lines = unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return "\n  ".join((f"{name}: changed", *list(lines)[2:12]))
