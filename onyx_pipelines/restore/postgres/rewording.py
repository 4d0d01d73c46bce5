"""Whether two definitions mean the same, when PostgreSQL words them differently.

It does so after it has parsed its own words again, which is what a restore is. So the words of
then are parsed by the restored server too, in a transaction that is rolled back, and read back:
they mean the same if the server then words both alike.
"""

from __future__ import annotations

import re
from typing import Any, Final

import psycopg

from onyx_pipelines.sources.postgres.content import use_canonical_settings
from onyx_pipelines.sources.postgres.facts import DatabaseFacts, Expression, SchemaItem
from onyx_pipelines.sources.postgres.session_encoding import encoded

Connection = psycopg.Connection[Any]

_SCRATCH: Final = "onyx_wording"
# Words stay as they are from the second time on; a fourth time is one too many.
_ROUNDS: Final = 4
_NAME = r'"(?:[^"]|"")+"|[^\s"]+'
_NAMED = re.compile(rf"\A(CREATE (?:(?:CONSTRAINT )?TRIGGER|RULE) )(?:{_NAME})(?= )")
_VIEW = "SELECT pg_get_viewdef('pg_temp.onyx_wording'::regclass)"
_DOMAIN = (
    "SELECT pg_get_expr(conbin, 0) FROM pg_constraint"
    " WHERE contypid = 'pg_temp.onyx_wording'::regtype AND contype = 'c'"
)
_TRIGGER_NOW = (
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger"
    " WHERE tgrelid = %s::regclass AND tgname = 'onyx_wording'"
)
_RULE_NOW = (
    "SELECT pg_get_ruledef(oid) FROM pg_rewrite"
    " WHERE ev_class = %s::regclass AND rulename = 'onyx_wording'"
)
_FUNCTION_NOW = (
    "SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname !~ '^pg_' AND p.prokind <> 'a' AND format('%%I.%%I(%%s)', n.nspname,"
    " p.proname, pg_get_function_identity_arguments(p.oid)) = %s"
)
# These would see, and might refuse, what is made here for a moment.
_EVENT_TRIGGERS = "SELECT quote_ident(evtname) FROM pg_event_trigger WHERE evtenabled <> 'D'"


def in_the_words_of(
    connection: Connection, found: DatabaseFacts, expected: DatabaseFacts
) -> DatabaseFacts:
    """`expected`, with the words of `found` wherever these mean the same. Changes nothing.

    Args:
        connection: to the restored database that `found` was read of, in no transaction.
    """
    there = {(item.kind, item.name): item for item in found.schema_items}
    differing = [
        item
        for item in expected.schema_items
        if (other := there.get((item.kind, item.name))) and other.expressions != item.expressions
    ]
    if not differing:
        return expected
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION READ WRITE")
        use_canonical_settings(connection)
        connection.execute("SET LOCAL check_function_bodies = off")
        for (name,) in connection.execute(_EVENT_TRIGGERS).fetchall():
            connection.execute(encoded(connection, f"ALTER EVENT TRIGGER {name} DISABLE"))
        reworded = {
            id(item): _reworded(connection, item, there[item.kind, item.name]) for item in differing
        }
    return expected.model_copy(
        update={"schema_items": tuple(reworded.get(id(i), i) for i in expected.schema_items)}
    )


def _reworded(connection: Connection, item: SchemaItem, found: SchemaItem) -> SchemaItem:
    words = {expression.part: expression for expression in found.expressions}
    expressions = tuple(
        now
        if (now := words.get(then.part)) is not None and _mean_the_same(connection, then, now)
        else then
        for then in item.expressions
    )
    return item.model_copy(update={"expressions": expressions})


def _mean_the_same(connection: Connection, then: Expression, now: Expression) -> bool:
    if then == now:
        return True
    if (then.form, then.of) != (now.form, now.of):
        return False
    try:
        return _settled(connection, then) == _settled(connection, now)
    except psycopg.OperationalError:
        raise
    except psycopg.Error:
        # What cannot be parsed any more is not what it was.
        return False


def _settled(connection: Connection, expression: Expression) -> str:
    """The words that no longer change when they are parsed."""
    expression = _under_our_name(expression)
    for _ in range(_ROUNDS):
        again = _under_our_name(_parsed(connection, expression))
        if again == expression:
            break
        expression = again
    return expression.text


def _parsed(connection: Connection, expression: Expression) -> Expression:
    """As the server says it then; an expression as a query that asks for it."""
    statement, query = _statements(expression)
    parameters = (expression.of,) if "%s" in query else None
    # Back at once: the locks go with it.
    with connection.transaction(force_rollback=True):
        connection.execute(encoded(connection, statement))
        row = connection.execute(query.encode(), parameters).fetchone()
    form = "query" if expression.form == "expression" else expression.form
    return expression.model_copy(update={"form": form, "text": row[0] if row else ""})


def _statements(expression: Expression) -> tuple[str, str]:
    """What makes the server parse it, and what it then says. The text is the server's own."""
    text, of = expression.text, expression.of
    match expression.form:
        case "query":
            return f"CREATE TEMPORARY VIEW {_SCRATCH} AS {text}", _VIEW
        case "domain check":
            return f"CREATE DOMAIN pg_temp.{_SCRATCH} AS {of} CHECK ({text})", _DOMAIN
        case "trigger":
            return text, _TRIGGER_NOW
        case "rule":
            return text, _RULE_NOW
        case "function":
            return text, _FUNCTION_NOW
        case "expression":
            source = f"FROM ONLY {of}" if of else ""
            return (
                f"CREATE TEMPORARY VIEW {_SCRATCH} AS"
                f" SELECT 1 AS one {source} WHERE ({text}) IS NOT NULL",
                _VIEW,
            )


def _under_our_name(expression: Expression) -> Expression:
    """A trigger or a rule: the name that it has is taken."""
    if expression.form not in {"trigger", "rule"}:
        return expression
    text = _NAMED.sub(rf"\g<1>{_SCRATCH}", expression.text)
    return expression.model_copy(update={"text": text})
