"""Roles that the server has already are left out of the script of roles, and nothing else is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from onyx_pipelines.restore.postgres.globals_script import (
    roles_in,
    settings_in,
    with_tablespaces_in,
    without_existing,
)
from onyx_pipelines.sources.postgres.server_facts import script_of_settings

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
passwords = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]))


def quoted(name: str) -> str:
    plain = name.isascii() and name.isidentifier() and name == name.lower()
    return name if plain else '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def script_of(roles: dict[str, str]) -> str:
    """As pg_dumpall writes it."""
    lines = ["--\n-- Roles\n--\n\n", "SET default_transaction_read_only = off;\n"]
    for name, password in roles.items():
        lines.append(f"CREATE ROLE {quoted(name)};\n")
        lines.append(f"ALTER ROLE {quoted(name)} WITH LOGIN PASSWORD {literal(password)};\n")
    return "".join(lines) + "GRANT a TO b;\n"


@given(st.dictionaries(names, passwords, max_size=6), st.data())
def test_the_statements_of_existing_roles_are_gone_and_all_others_stay(
    roles: dict[str, str], data: st.DataObject
) -> None:
    existing = data.draw(st.sets(st.sampled_from(sorted(roles)))) if roles else set()

    left = without_existing(script_of(roles), roles=existing)

    assert left == script_of({name: p for name, p in roles.items() if name not in existing})


@given(st.dictionaries(names, passwords, max_size=6))
def test_every_role_of_a_script_is_found(roles: dict[str, str]) -> None:
    assert roles_in(script_of(roles)) == set(roles)


def test_a_role_whose_name_begins_like_another_is_left_alone() -> None:
    script = "CREATE ROLE onyx;\nCREATE ROLE onyx_reader;\n"

    assert without_existing(script, roles={"onyx"}) == "CREATE ROLE onyx_reader;\n"


def test_a_setting_of_all_roles_is_left_out_where_they_have_one() -> None:
    given = {"app.one": "1", "search_path": '"$user", "odd ""one", ""', "work_mem": "it's"}
    script = script_of_settings(given)

    assert script == (
        """ALTER ROLE ALL SET "app"."one" TO '1';\n"""
        """ALTER ROLE ALL SET "search_path" TO '$user', 'odd "one', '';\n"""
        """ALTER ROLE ALL SET "work_mem" TO 'it''s';\n"""
    )
    assert [name for _, name, _ in settings_in(script)] == list(given)
    assert (
        without_existing(script, roles={"ALL"}, settings_of_all={"app.one", "work_mem"})
        == """ALTER ROLE ALL SET "search_path" TO '$user', 'odd "one', '';\n"""
    )


def test_a_tablespace_that_exists_is_left_out_with_all_that_is_said_of_it() -> None:
    script = "".join(
        statement.replace("@", '"fast ""one"""')
        for statement in (
            "CREATE TABLESPACE @ OWNER postgres LOCATION '/fast';\n",
            "ALTER TABLESPACE @ SET (random_page_cost=1.1);\n",
            "REVOKE ALL ON TABLESPACE @ FROM postgres;\n",
            "GRANT ALL ON TABLESPACE @ TO a WITH GRANT OPTION;\n",
            "COMMENT ON TABLESPACE @ IS 'fast';\n",
            "SECURITY LABEL FOR \"x\" ON TABLESPACE @ IS 'fast';\n",
        )
    )
    others = 'GRANT "fast ""one""" TO b;\nGRANT ALL ON TABLESPACE "fast ""one""s" TO c;\n'

    assert without_existing(script + others, roles=(), tablespaces={'fast "one"'}) == others


def test_a_tablespace_is_moved_whatever_its_owner_is_called() -> None:
    script = """CREATE TABLESPACE fast OWNER "my LOCATION 'x" LOCATION '/live/fast';\n"""

    moved = with_tablespaces_in(script, lambda name: f"/scratch/{name}")

    assert moved == script.replace("/live", "/scratch")


def test_names_are_quoted_as_psycopg_quotes_them() -> None:
    assert quoted('a"b') == sql.Identifier('a"b').as_string()


def test_a_comment_ends_at_its_line_feed_whatever_separators_a_name_in_it_has() -> None:
    comment = '--\n-- User Config "a\u2028o\'b"\n--\n\n'

    left = without_existing(f"{comment}CREATE ROLE b;\nGRANT a TO c;\n", roles={"b"})

    assert left == f"{comment}GRANT a TO c;\n"
