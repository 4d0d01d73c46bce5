"""What is taken out of a dump's script: whole statements, whatever names and texts hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from onyx_pipelines.restore.postgres.archive_listing import renamed, statements_of

# NUL is what PostgreSQL cannot hold.
characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
names = st.text(characters.filter(lambda c: c != "\n"), min_size=1, max_size=20)
texts = st.text(st.one_of(characters, st.sampled_from("'\";\n\\")), max_size=60)


def name(text: str) -> str:
    return sql.Identifier(text).as_string()


def literal(text: str) -> str:
    """As pg_dump writes it."""
    escaped = text.replace("'", "''")
    return "E'" + escaped.replace("\\", "\\\\") + "'" if "\\" in text else f"'{escaped}'"


statements = st.one_of(
    st.builds(lambda db, t: f"COMMENT ON DATABASE {name(db)} IS {literal(t)}", names, texts),
    st.builds(lambda db, owner: f"ALTER DATABASE {name(db)} OWNER TO {name(owner)}", names, names),
    st.builds(
        lambda role, db, t: (
            f"ALTER ROLE {name(role)} IN DATABASE {name(db)} SET search_path TO {literal(t)}"
        ),
        names,
        names,
        texts,
    ),
    st.builds(
        lambda db, role: f"GRANT CONNECT ON DATABASE {name(db)} TO {name(role)}", names, names
    ),
)


@given(st.lists(statements, max_size=5))
def test_every_statement_comes_out_as_it_was(wanted: list[str]) -> None:
    script = "--\n-- PostgreSQL database dump\n--\n\nSET client_encoding = 'UTF8';\n"
    script += "".join(f"{statement};\n\n--\n-- Name: x; Type: y\n--\n" for statement in wanted)

    assert statements_of(script) == wanted


@given(names, names, names)
def test_a_renamed_statement_is_the_one_about_the_other_name(
    database: str, final: str, owner: str
) -> None:
    statement = f"ALTER DATABASE {name(database)} OWNER TO {name(owner)}"

    assert renamed(statement, database, final) == (
        f"ALTER DATABASE {name(final)} OWNER TO {name(owner)}"
    )


@given(texts)
def test_what_a_comment_says_is_left_as_it_is(text: str) -> None:
    statement = f"COMMENT ON DATABASE {name('old')} IS {literal(text + ' DATABASE old ')}"

    assert renamed(statement, "old", "new").endswith(literal(text + " DATABASE old "))
