"""Whole databases: how they are created, and the statements that fill them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter
from psycopg import sql

from onyx_pipelines_tests.restore.postgres.generated import others, relations
from onyx_pipelines_tests.restore.postgres.generated.drawing import (
    ROLES,
    SPACES,
    Drawing,
    literal,
    quoted,
)

# Of the cluster: once, before the first database.
ROLE_STATEMENTS: Final = (
    *(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)).as_string() for role in ROLES),
    "ALTER ROLE made_reader LOGIN PASSWORD 'secret' VALID UNTIL '2031-01-01' CONNECTION LIMIT 3",
    "GRANT made_owner TO made_reader WITH ADMIN OPTION",
    "ALTER ROLE made_reader SET search_path = 'odd one', public",
    "COMMENT ON ROLE made_owner IS 'owns'",
)
# Of roles and tablespaces.
NAME_PATTERN: Final = "^made"
_TABLES: Final = (
    *(relations.ordinary_table, relations.ordinary_table, relations.partitioned_table),
    *(relations.inherited_table, relations.other_table, relations.keys_between),
    relations.default_space,
)
_ON_TABLES: Final = (
    *(relations.constraint, relations.index, relations.column_change, relations.view),
    *(relations.materialized_view, relations.trigger, relations.rule, relations.policy),
    *(relations.statistics, others.rights, others.comment, others.publication),
)
_FIRST: Final = (
    *(others.schema, others.enum, others.composite, others.domain, others.range_type),
    *(others.base_type, others.function, others.collation, others.extension),
)
_LAST: Final = (
    *(others.procedure, others.aggregate, others.operator, others.operator_class),
    *(others.sequence, others.text_search, others.foreign_data, others.event_trigger),
    *(others.large_object, others.rare, others.function),
)


@dataclass(frozen=True)
class MadeDatabase:
    """`options`: of CREATE DATABASE. `of_the_database`: statements about it, with its name as {}.
    What PostgreSQL refuses of the statements is no part of it."""

    options: str
    of_the_database: tuple[str, ...]
    statements: tuple[str, ...]

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        """How hypothesis shows it, which it does each time."""
        printer.text(f"<{len(self.statements)} statements>")

    def script(self) -> str:
        return ";\n".join((self.options, *self.statements, *self.of_the_database))

    def without_icu(self) -> MadeDatabase:
        """For servers that were built without it."""
        return replace(
            self,
            options="" if "icu" in self.options else self.options,
            statements=tuple(each for each in self.statements if "PROVIDER = icu" not in each),
        )


@st.composite
def databases(draw: st.DrawFn, seed: int = 0) -> MadeDatabase:
    d = Drawing(draw, dict(relations.VALUES), seed)
    d.add("CREATE TYPE public.made_row AS (a integer, b text)")
    for kinds, least, most in ((_FIRST, 1, 7), (_TABLES, 2, 6), (_ON_TABLES, 4, 16), (_LAST, 1, 8)):
        for _ in range(d.number(least, most)):
            d.one(kinds)(d)
    options = d.one(
        [
            *("", "", "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-u-kn-true'"),
            *("ENCODING 'LATIN1'", "CONNECTION LIMIT 40", f"OWNER {d.role()}"),
        ]
    )
    options += d.place()
    properties = [
        f"COMMENT ON DATABASE {{}} IS {literal(d.plain_name())}",
        "REVOKE CONNECT ON DATABASE {} FROM PUBLIC",
        f"GRANT CREATE ON DATABASE {{}} TO {d.role()} WITH GRANT OPTION",
        "ALTER DATABASE {} SET app.tenant = 'it''s 7'",
        "ALTER DATABASE {} SET search_path = '$user', 'odd one', public",
        "ALTER DATABASE {} SET datestyle = 'German'",
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        "ALTER DATABASE {} SET app.place = 'Köln'",
        f"ALTER DATABASE {{}} SET default_tablespace = {d.space()}",
        f"ALTER DATABASE {{}} SET temp_tablespaces = {d.space()}, {d.space()}",
        f"ALTER ROLE {d.role()} IN DATABASE {{}} SET work_mem = '9MB'",
    ]
    chosen = tuple(each for each in properties if d.chance())
    return MadeDatabase(options, chosen, tuple(d.statements))


@st.composite
def tablespaces(draw: st.DrawFn, seed: int = 0) -> tuple[str, ...]:
    """What is said of those of the cluster: whose they are, who may use them, what they cost."""
    d = Drawing(draw, {}, seed)
    for space in map(quoted, SPACES):
        statements = [
            f"ALTER TABLESPACE {space} OWNER TO {d.role()}",
            f"GRANT CREATE ON TABLESPACE {space} TO {d.role()} WITH GRANT OPTION",
            f"GRANT CREATE ON TABLESPACE {space} TO PUBLIC",
            f"REVOKE ALL ON TABLESPACE {space} FROM CURRENT_USER",
            f"COMMENT ON TABLESPACE {space} IS {literal(d.plain_name())}",
            f"ALTER TABLESPACE {space} SET (random_page_cost = 1.{d.number(1, 9)}, seq_page_cost"
            f" = {d.number(1, 9)}, effective_io_concurrency = {d.number(1, 9)})",
        ]
        d.add(*(each for each in statements if d.chance()))
    return tuple(d.statements)
