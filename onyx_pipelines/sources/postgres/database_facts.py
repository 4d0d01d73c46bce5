"""What belongs to a database as such: owner, locale, limits, settings, grants, comment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.postgres.catalog_query import digest, own_grants, tablespace
from onyx_pipelines.sources.postgres.facts import DatabaseProperties

Connection = psycopg.Connection[Any]

_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin", "d": "default"}


def read_properties(connection: Connection) -> DatabaseProperties:
    """Of the database of the connection."""
    major = connection.info.server_version // 10_000
    provider = "datlocprovider" if major >= 15 else "'c'"
    locale = "datlocale" if major >= 17 else "daticulocale" if major >= 15 else "NULL"
    comment = digest("shobj_description(d.oid, 'pg_database')")
    rules = "daticurules" if major >= 16 else "NULL"
    row = connection.execute(
        f"SELECT d.oid, pg_get_userbyid(d.datdba), {provider}, {locale}, {rules},"  # noqa: S608  (constants of ours)
        f" {tablespace('d.dattablespace')}, d.datconnlimit, d.datistemplate,"
        f" {own_grants('d.datacl', 'd.datdba', 'd')},"
        f" {comment}"
        " FROM pg_database d WHERE d.datname = current_database()".encode()
    ).fetchone()
    if row is None:
        raise SourceError("The server does not list its own database.", remedy="Try again.")
    oid, owner, provider, locale, rules, space, limit, template, granted, comment = row
    settings = connection.execute(
        "SELECT CASE s.setrole WHEN 0 THEN NULL ELSE pg_get_userbyid(s.setrole) END, s.setconfig"
        " FROM pg_db_role_setting s WHERE s.setdatabase = %s ORDER BY 1",
        (oid,),
    ).fetchall()
    return DatabaseProperties(
        owner=owner,
        locale_provider=_PROVIDERS.get(provider, provider),
        locale=locale,
        icu_rules=rules,
        tablespace=space,
        connection_limit=limit,
        is_template=template,
        grants=tuple(granted or ()),
        comment=comment,
        security_labels=read_shared_labels(connection, "pg_database", oid),
        settings=next((settings_of(each) for role, each in settings if role is None), {}),
        role_settings={role: settings_of(each) for role, each in settings if role is not None},
    )


def settings_of(entries: Iterable[str]) -> dict[str, str]:
    """From "name=value"."""
    return dict(entry.split("=", 1) for entry in entries)


def read_shared_labels(connection: Connection, catalog: str, oid: int) -> dict[str, str]:
    """Digests of the security labels of something that no database holds, by provider."""
    rows = connection.execute(
        f"SELECT provider, {digest('label')} FROM pg_shseclabel"  # noqa: S608  (constants of ours)
        f" WHERE classoid = '{catalog}'::regclass AND objoid = %s".encode(),
        (oid,),
    )
    return dict(rows.fetchall())


def read_preloaded(connection: Connection) -> tuple[tuple[str, ...], dict[str, str]]:
    """Libraries that the server loads when it starts, which extensions may need, and the settings
    that they brought along. Nothing where the role may not see them."""
    row = connection.execute(
        "SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'"
    ).fetchone()
    names = [name.strip().strip('"') for name in row[0].split(",")] if row else []
    libraries = tuple(name.rsplit("/", 1)[-1].removesuffix(".so") for name in names if name)
    if not libraries:
        return (), {}
    settings = connection.execute(
        "SELECT name, setting FROM pg_settings WHERE name LIKE '%.%' AND context = 'postmaster'"
        " ORDER BY 1"
    )
    return libraries, dict(settings.fetchall())
