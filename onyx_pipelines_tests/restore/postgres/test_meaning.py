"""What a database is made of: all of it comes back, however PostgreSQL words it then, and whatever
is changed or lost is found and named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from onyx_pipelines.restore.postgres.database_differences import compare
from onyx_pipelines.restore.postgres.globals_differences import compare_globals
from onyx_pipelines.restore.postgres.rewording import in_the_words_of
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.content import (
    read_content,
    read_content_like,
    read_inventory,
    use_canonical_settings,
)
from onyx_pipelines.sources.postgres.facts import DatabaseFacts, GlobalsFacts
from onyx_pipelines.sources.postgres.server_facts import read_globals
from onyx_pipelines_tests.fixtures_postgres import facts_now
from onyx_pipelines_tests.restore.postgres.foreign import CASES, drilled, make_sets, run_case

DATABASE = "everything"
LOGICAL = {"wal_level": "logical"}


@pytest.fixture(scope="module")
def server(public_dir: Path) -> Iterator[PostgresServer]:
    with PostgresServer(public_dir / "everything", options=LOGICAL) as server:
        run_case(server, "everything")
        with server.connect() as connection:
            connection.execute("SET allow_in_place_tablespaces = on")
            connection.execute("CREATE TABLESPACE spare LOCATION ''")
            connection.execute("ALTER TABLESPACE spare SET (random_page_cost = 2)")
        yield server


@pytest.fixture(scope="module")
def newer(public_dir: Path, wheel: Binaries) -> Iterator[PostgresServer]:
    directory = public_dir / "everything-newer"
    with PostgresServer(directory, binaries=wheel, options=LOGICAL) as server:
        run_case(server, "everything")
        yield server


@pytest.fixture(scope="module")
def expected(server: PostgresServer) -> DatabaseFacts:
    return facts_now(server, DATABASE)


def planted_losses() -> list[tuple[str, set[str]]]:
    """A statement, and below it as what it must be found: an aspect and a name each."""
    losses: list[tuple[str, set[str]]] = []
    for line in (CASES / "losses.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            losses[-1][1].add(line.strip())
        else:
            losses.append((line, set()))
    return losses


@pytest.fixture(scope="module")
def connection(server: PostgresServer) -> Iterator[psycopg.Connection]:
    """One for all: half of what PostgreSQL does for the first facts is learning its catalogs."""
    with server.connect(DATABASE) as connection:
        yield connection


def differences_after(
    connection: psycopg.Connection, expected: DatabaseFacts, damage: str
) -> set[str]:
    """In the transaction that does the damage, which is rolled back."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL search_path = app, public")
        connection.execute(damage.encode())
        use_canonical_settings(connection)
        found = read_content_like(connection, read_inventory(connection), expected)
        reworded = in_the_words_of(connection, found, expected)
        return {f"{d.aspect.value}: {d.name}" for d in compare(reworded, found).differences}


GLOBAL_LOSSES = [
    ("ALTER ROLE everything_reader VALID UNTIL '2032-01-01'", "role: everything_reader"),
    ("ALTER ROLE everything_reader VALID UNTIL 'infinity'", "role: everything_reader"),
    ("ALTER ROLE everything_reader CONNECTION LIMIT -1", "role: everything_reader"),
    ("ALTER ROLE everything_reader INHERIT", "role: everything_reader"),
    *(
        (f"ALTER ROLE everything_reader {option}", "role: everything_reader")
        for option in (
            *("BYPASSRLS", "SUPERUSER", "CREATEDB", "CREATEROLE", "REPLICATION", "NOLOGIN"),
        )
    ),
    ("REVOKE ADMIN OPTION FOR everything_owner FROM everything_reader", "role: everything_reader"),
    ("REVOKE everything_owner FROM everything_reader", "role: everything_reader"),
    ("ALTER ROLE everything_reader PASSWORD 'secret'", "role: everything_reader: password"),
    ("ALTER ROLE everything_reader PASSWORD NULL", "role: everything_reader: password"),
    (
        "ALTER ROLE everything_reader RESET search_path",
        "setting: role everything_reader: search_path",
    ),
    (
        "ALTER ROLE everything_reader SET search_path = app",
        "setting: role everything_reader: search_path",
    ),
    ("ALTER ROLE ALL RESET app.everybody", "setting: all roles: app.everybody"),
    ("ALTER ROLE ALL SET app.everybody = 'me'", "setting: all roles: app.everybody"),
    ("REVOKE everything_owner FROM pg_signal_backend", "role: pg_signal_backend"),
    ("COMMENT ON ROLE everything_owner IS 'other'", "comment: role everything_owner"),
    (
        "INSERT INTO pg_shseclabel VALUES"
        " ('everything_owner'::regrole, 'pg_authid'::regclass, 'x', 'secret')",
        "security label: role everything_owner: x",
    ),
    ('ALTER ROLE "every""thing; writer" RENAME TO other', 'role: every"thing; writer'),
    ("ALTER TABLESPACE spare RESET (random_page_cost)", "tablespace: tablespace spare"),
    ("ALTER TABLESPACE spare OWNER TO everything_owner", "owner: tablespace spare"),
    ("GRANT CREATE ON TABLESPACE spare TO everything_owner", "grants: tablespace spare"),
    ("COMMENT ON TABLESPACE spare IS 'other'", "comment: tablespace spare"),
    ("ALTER TABLESPACE spare RENAME TO other", "tablespace: spare"),
    (
        "REVOKE SET ON PARAMETER log_min_duration_statement FROM everything_reader",
        "grants: parameter log_min_duration_statement",
    ),
]


@pytest.fixture(scope="module")
def expected_globals(server: PostgresServer) -> GlobalsFacts:
    with server.connect() as connection:
        return read_globals(connection, with_passwords=True)


@pytest.mark.parametrize(("damage", "named"), GLOBAL_LOSSES)
def test_a_planted_loss_of_roles_and_tablespaces_is_found(
    connection: psycopg.Connection, expected_globals: GlobalsFacts, damage: str, named: str
) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(damage.encode())
        found = read_globals(connection, with_passwords=True)

    differences = compare_globals(expected_globals, found).differences
    assert [f"{d.aspect.value}: {d.name}" for d in differences] == [named]


@pytest.mark.parametrize("option", ["INHERIT FALSE", "SET FALSE", "ADMIN FALSE"])
def test_a_lost_option_of_a_membership_is_found(newer: PostgresServer, option: str) -> None:
    with newer.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("GRANT everything_owner TO everything_reader WITH INHERIT TRUE")
        before = read_globals(connection, with_passwords=True)
        connection.execute(f"GRANT everything_owner TO everything_reader WITH {option}".encode())
        found = read_globals(connection, with_passwords=True)

    (difference,) = compare_globals(before, found).differences
    assert difference.name == "everything_reader"


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER SUBSCRIPTION everything_sub SET (run_as_owner = true)",
        "ALTER SUBSCRIPTION everything_sub SET (password_required = false)",
        # Said otherwise it wants a slot on a publisher that answers.
        "UPDATE pg_subscription SET subfailover = true",
    ],
)
def test_a_changed_option_of_a_subscription_is_found(newer: PostgresServer, damage: str) -> None:
    before = facts_now(newer, DATABASE)
    with newer.connect(DATABASE) as connection:
        named = differences_after(connection, before, damage)

    assert named == {"schema: subscription everything_sub"}


def test_what_a_server_has_besides_is_no_difference(
    server: PostgresServer, expected_globals: GlobalsFacts
) -> None:
    with (
        server.connect() as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("CREATE ROLE newcomer")
        found = read_globals(connection, with_passwords=True)

    assert compare_globals(expected_globals, found).differences == ()


class TestAWholeBackup:
    def test_passes_its_drill(self, public_dir: Path, server: PostgresServer) -> None:
        sets = make_sets(public_dir / "sets-everything", server)

        result = drilled(sets, sets.of(DATABASE, with_globals=True))

        assert result.problems() == []

    def test_of_a_newer_version_too(
        self, public_dir: Path, newer: PostgresServer, wheel: Binaries
    ) -> None:
        sets = make_sets(public_dir / "sets-newer", newer)

        result = drilled(sets, sets.of(DATABASE, with_globals=True), pg_bindir=wheel.bindir)

        assert result.problems() == []

    def test_and_if_a_newer_version_restores_it(
        self, public_dir: Path, server: PostgresServer, wheel: Binaries
    ) -> None:
        sets = make_sets(public_dir / "sets-for-newer", server)

        result = drilled(sets, sets.of(DATABASE, with_globals=True), pg_bindir=wheel.bindir)

        assert result.problems() == []
        assert result.versions["restore_postgresql"].startswith("18")


@pytest.mark.parametrize(("damage", "named"), planted_losses())
def test_a_planted_loss_is_found_and_nothing_else(
    connection: psycopg.Connection, expected: DatabaseFacts, damage: str, named: set[str]
) -> None:
    assert differences_after(connection, expected, damage) == named


def test_a_copy_that_nothing_was_done_to_is_the_same(
    connection: psycopg.Connection, expected: DatabaseFacts
) -> None:
    assert differences_after(connection, expected, "SELECT 1") == set()


CONFIGURATION = (
    "CREATE TABLE public.options (i int)",
    "INSERT INTO public.options VALUES (1), (2)",
    "ALTER EXTENSION pg_trgm ADD TABLE public.options",
    "UPDATE pg_extension SET extconfig = ARRAY['public.options'::regclass::oid],"
    " extcondition = ARRAY['WHERE i > 1'] WHERE extname = 'pg_trgm'",
)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("DELETE FROM public.options WHERE i = 2", ["rows: public.options"]),
        ("UPDATE public.options SET i = 3 WHERE i = 2", ["content: public.options"]),
        # The extension brings this one along itself.
        ("DELETE FROM public.options WHERE i = 1", []),
    ],
    ids=["lost", "changed", "not configured"],
)
def test_a_row_of_an_extensions_configuration_is_compared(
    server: PostgresServer, damage: str, named: list[str]
) -> None:
    with server.connect(DATABASE) as connection, connection.transaction(force_rollback=True):
        for statement in CONFIGURATION:
            connection.execute(statement.encode())
        use_canonical_settings(connection)
        inventory = read_inventory(connection)
        before = read_content(connection, inventory, fingerprint_max_bytes=2**40)
        connection.execute(damage.encode())
        found = read_content_like(connection, read_inventory(connection), before)

    differences = compare(before, found).differences
    assert [f"{d.aspect.value}: {d.name}" for d in differences] == named
