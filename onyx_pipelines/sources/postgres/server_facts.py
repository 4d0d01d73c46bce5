"""Reads what belongs to the whole server: roles, memberships, tablespaces, rights to parameters."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from onyx_pipelines.sources.postgres.catalog_query import digest, own_grants, role
from onyx_pipelines.sources.postgres.database_facts import settings_of
from onyx_pipelines.sources.postgres.facts import (
    GlobalsFacts,
    Membership,
    RoleFacts,
    TablespaceFacts,
)
from onyx_pipelines.sources.postgres.inventory import (
    list_databases,
    read_system_identifier,
    server_major,
    server_version,
)

Connection = psycopg.Connection[Any]

_FIRST_SUPERUSER = 10
_COMMENT = digest("shobj_description({oid}, '{catalog}')")
_LABELS = (
    "(SELECT coalesce(json_object_agg(l.provider, " + digest("l.label") + "), '{{}}')"
    " FROM pg_shseclabel l WHERE l.classoid = 'pg_authid'::regclass AND l.objoid = r.oid)"
)
_ROLES = (
    "SELECT r.rolname, r.rolsuper, r.rolcanlogin, r.rolcreaterole, r.rolcreatedb,"
    " r.rolreplication, r.rolbypassrls, r.rolinherit, r.rolconnlimit,"
    " (r.rolvaliduntil AT TIME ZONE 'UTC')::text, {password},"
    f" coalesce(s.setconfig, '{{{{}}}}'), {_COMMENT.format(oid='r.oid', catalog='pg_authid')},"
    f" {_LABELS} FROM {{catalog}} r LEFT JOIN pg_db_role_setting s"
    " ON s.setrole = r.oid AND s.setdatabase = 0 WHERE r.rolname !~ '^pg_' ORDER BY 1"
)
_MEMBERSHIPS = (
    "SELECT member.rolname, granted.rolname, m.admin_option, {inherits}, {may_set},"
    f" CASE WHEN m.grantor <> {_FIRST_SUPERUSER} THEN pg_get_userbyid(m.grantor) END"
    " FROM pg_auth_members m JOIN pg_roles member ON member.oid = m.member"
    " JOIN pg_roles granted ON granted.oid = m.roleid"
    " WHERE member.rolname !~ '^pg_' OR granted.rolname !~ '^pg_' ORDER BY 1, 2, 6"
)
_SETTINGS_OF_ALL = "SELECT setconfig FROM pg_db_role_setting WHERE setrole = 0 AND setdatabase = 0"
# Their values are lists, in which each name is quoted as it needs to be.
_LISTS = frozenset(
    {
        *("local_preload_libraries", "search_path", "session_preload_libraries"),
        *("shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"),
    }
)
_LISTED = re.compile(r'"((?:[^"]|"")*)"|([^",\s]+)')
_OPTIONS_SINCE = 16
_PARAMETERS_SINCE = 15


def read_globals(connection: Connection, *, with_passwords: bool) -> GlobalsFacts:
    """What the role may see of it; digests of passwords if wished."""
    tablespaces = _tablespaces(connection)
    memberships = _memberships(connection)
    row = connection.execute(
        f"SELECT rolname FROM pg_roles WHERE oid = {_FIRST_SUPERUSER}".encode()
    ).fetchone()
    return GlobalsFacts(
        server_version=server_version(connection),
        system_identifier=read_system_identifier(connection),
        databases=list_databases(connection),
        roles=_roles(connection, memberships, with_passwords=with_passwords),
        tablespaces=tuple(each.name for each in tablespaces),
        tablespace_facts=tablespaces,
        with_passwords=with_passwords,
        first_superuser=row[0] if row else None,
        parameter_grants=_parameter_grants(connection),
        settings_of_all=read_settings_of_all(connection),
        predefined={
            name: tuple(found) for name, found in memberships.items() if name.startswith("pg_")
        },
    )


def read_settings_of_all(connection: Connection) -> dict[str, str]:
    row = connection.execute(_SETTINGS_OF_ALL).fetchone()
    return settings_of(row[0]) if row else {}


def script_of_settings(settings: Mapping[str, str]) -> str:
    """What sets them for all roles, which pg_dumpall leaves out."""
    return "".join(
        sql.SQL("ALTER ROLE ALL SET {} TO {};\n")
        .format(sql.Identifier(*name.split(".")), _value(name, value))
        .as_string()
        for name, value in settings.items()
    )


def _value(name: str, value: str) -> sql.Composable:
    if name.lower() not in _LISTS:
        return sql.Literal(value)
    listed = [found[1] or found[0].replace('""', '"') for found in _LISTED.findall(value)]
    return sql.SQL(", ").join(map(sql.Literal, listed))


def _roles(
    connection: Connection, memberships: Mapping[str, list[Membership]], *, with_passwords: bool
) -> tuple[RoleFacts, ...]:
    query = _ROLES.format(
        password=digest("r.rolpassword") if with_passwords else "NULL",
        catalog="pg_authid" if with_passwords else "pg_roles",
    )
    return tuple(
        RoleFacts(
            name=name,
            superuser=superuser,
            can_login=can_login,
            create_role=create_role,
            create_database=create_database,
            replication=replication,
            bypass_rls=bypass_rls,
            inherits=inherits,
            connection_limit=limit,
            valid_until=valid_until,
            password=password,
            member_of=tuple(dict.fromkeys(each.role for each in memberships.get(name, ()))),
            memberships=tuple(memberships.get(name, ())),
            settings=settings_of(settings),
            comment=comment,
            security_labels=labels,
        )
        for (
            name, superuser, can_login, create_role, create_database, replication, bypass_rls,
            inherits, limit, valid_until, password, settings, comment, labels,
        ) in connection.execute(query.encode()).fetchall()
    )  # fmt: skip


def _memberships(connection: Connection) -> defaultdict[str, list[Membership]]:
    """By member. Before version 16 a member inherits if it does so at all, and may SET ROLE; who
    granted it was not kept."""
    has_options = server_major(connection) >= _OPTIONS_SINCE
    query = _MEMBERSHIPS.format(
        inherits="m.inherit_option" if has_options else "member.rolinherit",
        may_set="m.set_option" if has_options else "true",
    )
    found = defaultdict(list)
    for member, granted, admin, inherits, may_set, grantor in connection.execute(query.encode()):
        found[member].append(
            Membership(
                role=granted,
                admin=admin,
                inherits=inherits,
                may_set=may_set,
                grantor=grantor if has_options else None,
            )
        )
    return found


def _tablespaces(connection: Connection) -> tuple[TablespaceFacts, ...]:
    rows = connection.execute(
        "SELECT t.spcname, pg_get_userbyid(t.spcowner), pg_tablespace_location(t.oid),"
        " coalesce(t.spcoptions, '{}'),"
        f" {own_grants('t.spcacl', 't.spcowner', 't')},"
        f" {_COMMENT.format(oid='t.oid', catalog='pg_tablespace')}"
        " FROM pg_tablespace t WHERE t.spcname !~ '^pg_' ORDER BY 1".encode()
    )
    return tuple(
        TablespaceFacts(
            name=name,
            owner=owner,
            location=location,
            options=tuple(sorted(options)),
            grants=tuple(granted or ()),
            comment=comment,
        )
        for name, owner, location, options, granted, comment in rows.fetchall()
    )


def _parameter_grants(connection: Connection) -> dict[str, tuple[str, ...]]:
    if server_major(connection) < _PARAMETERS_SINCE:
        return {}
    rows = connection.execute(
        f"SELECT p.parname, ARRAY(SELECT concat({role('g.grantee')}, ': ', g.privilege_type,"
        " CASE WHEN g.is_grantable THEN ' with grant option' END) FROM aclexplode(p.paracl) g"
        # Its first superuser may do everything, and is somebody else elsewhere.
        f" WHERE g.grantee <> {_FIRST_SUPERUSER} ORDER BY 1)"
        " FROM pg_parameter_acl p ORDER BY 1".encode()
    )
    return {name: tuple(granted) for name, granted in rows.fetchall()}
