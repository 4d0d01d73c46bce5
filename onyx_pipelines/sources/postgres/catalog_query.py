"""How a query for schema items is made: one row each, with kind, name, definition, owner,
tablespace, grants and expressions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from onyx_pipelines.sources.postgres.facts import Expression, ExpressionForm, SchemaItem

OURS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
# Made by nobody but the server's own setup.
FIRST_OID = 16384
RELATION = "format('%I.%I', n.nspname, c.relname)"
OF_RELATION = "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"


def not_of_extension(catalog: str, alias: str) -> str:
    """What an extension made is restored by CREATE EXTENSION and is its own affair."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{catalog}'::regclass"
        f" AND d.objid = {alias}.oid AND d.deptype = 'e')"
    )


RELATION_OURS = f"{OURS} AND {not_of_extension('pg_class', 'c')}"


def digest(text: str) -> str:
    """Of what may be a secret, or long. Into the encoding that it has: SQL_ASCII holds bytes that
    are not valid in any other."""
    return f"encode(sha256(convert_to({text}, getdatabaseencoding())), 'hex')"


def flag(condition: str, word: str) -> str:
    """SQL: `word` where the condition holds, else null."""
    return f"CASE WHEN {condition} THEN '{word}' END"


def words(*parts: str) -> str:
    """SQL: those of the parts that are not null, one after the other."""
    return f"concat_ws('; ', {', '.join(parts)})"


def options(column: str) -> str:
    """An array of options, in one order."""
    return f"(SELECT string_agg(o, ', ' ORDER BY o) FROM unnest({column}) o)"


def role(oid: str) -> str:
    """SQL: a role's quoted name; oid 0 is PUBLIC."""
    return f"CASE {oid} WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid({oid})) END"


def tablespace(oid: str) -> str:
    """Empty: the database's own."""
    return f"(SELECT spcname FROM pg_tablespace WHERE pg_tablespace.oid = {oid})"


def grants(acl: str, owner: str, *, base: str) -> str:
    """What differs between an access list and the one that the object began with."""
    return (
        f"CASE WHEN {acl} IS NOT NULL THEN ARRAY(SELECT concat("
        "CASE WHEN NOT g.given THEN 'not ' END,"
        f" CASE g.grantee WHEN {owner} THEN '(owner)' ELSE {role('g.grantee')} END,"
        " ': ', g.privilege_type, CASE WHEN g.is_grantable THEN ' with grant option' END,"
        f" CASE WHEN g.grantor <> {owner} THEN concat(' by ', {role('g.grantor')}) END)"
        f" FROM ((SELECT true, * FROM aclexplode({acl})"
        f" EXCEPT SELECT true, * FROM aclexplode({base}))"
        f" UNION ALL (SELECT false, * FROM aclexplode({base})"
        f" EXCEPT SELECT false, * FROM aclexplode({acl})))"
        " g (given, grantor, grantee, privilege_type, is_grantable) ORDER BY 1) END"
    )


def own_grants(acl: str, owner: str, kind: str) -> str:
    """For what somebody made, which began with the server's defaults."""
    return grants(acl, owner, base=f"acldefault('{kind}', {owner})")


@dataclass(frozen=True)
class ExpressionQuery:
    """`text` is SQL; nothing where it gives NULL."""

    part: str
    form: ExpressionForm
    text: str


@dataclass(frozen=True)
class CatalogQuery:
    """Pieces of SQL, all of them constants of ours.

    Args:
        owner: the number of a role.
        of: what the expressions are of.
        more: JSON, an array of arrays: part, form, of and text of further expressions.
    """

    kind: str
    name: str
    definition: str
    source: str
    where: str
    owner: str = "NULL::oid"
    tablespace: str = "NULL"
    grants: str = "NULL::text[]"
    expressions: tuple[ExpressionQuery, ...] = ()
    of: str = "''"
    more: str = "NULL::json"

    @property
    def sql(self) -> str:
        texts = ", ".join(each.text for each in self.expressions)
        return (
            f"SELECT {self.name}, {self.definition}, pg_get_userbyid({self.owner}),"
            f" {self.tablespace}, {self.grants}, {self.of}, ARRAY[{texts}]::text[], {self.more}"
            f" FROM {self.source} WHERE {self.where}"
        )


def read_items(
    connection: psycopg.Connection[Any], queries: Sequence[CatalogQuery]
) -> list[SchemaItem]:
    return [
        SchemaItem(
            kind=query.kind,
            name=name,
            definition=definition,
            owner=owner,
            tablespace=space,
            grants=tuple(granted or ()),
            expressions=tuple(_expressions(query, of, texts, more)),
        )
        for query in queries
        for name, definition, owner, space, granted, of, texts, more in connection.execute(
            query.sql.encode()
        )
    ]


def _expressions(
    query: CatalogQuery, of: str, texts: Sequence[str | None], more: Any
) -> Iterator[Expression]:
    for each, text in zip(query.expressions, texts, strict=True):
        if text is not None:
            yield Expression(part=each.part, form=each.form, of=of, text=text)
    for part, form, belongs_to, text in more or ():
        if text is not None:
            yield Expression(part=part, form=form, of=belongs_to, text=text)
