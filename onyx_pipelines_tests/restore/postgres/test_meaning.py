"""What a database is made of: all of it comes back, however PostgreSQL words it then, and whatever
is changed or lost is found and named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.restore.postgres.database_differences import compare
from onyx_pipelines.restore.postgres.rewording import in_the_words_of
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import Binaries
from onyx_pipelines.sources.postgres.content import (
    read_content_like,
    read_inventory,
    use_canonical_settings,
)
from onyx_pipelines.sources.postgres.facts import DatabaseFacts
from onyx_pipelines_tests.fixtures_postgres import facts_now
from onyx_pipelines_tests.restore.postgres.foreign import CASES, drilled, make_sets, run_case

DATABASE = "everything"
LOGICAL = {"wal_level": "logical"}


@pytest.fixture(scope="module")
def server(public_dir: Path) -> Iterator[PostgresServer]:
    with PostgresServer(public_dir / "everything", options=LOGICAL) as server:
        run_case(server, "everything")
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


def differences_after(server: PostgresServer, expected: DatabaseFacts, damage: str) -> set[str]:
    """In the transaction that does the damage, which is rolled back."""
    with (
        server.connect(DATABASE) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("SET LOCAL search_path = app, public")
        connection.execute(damage.encode())
        use_canonical_settings(connection)
        found = read_content_like(connection, read_inventory(connection), expected)
        reworded = in_the_words_of(connection, found, expected)
        return {f"{d.aspect.value}: {d.name}" for d in compare(reworded, found).differences}


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
    server: PostgresServer, expected: DatabaseFacts, damage: str, named: set[str]
) -> None:
    assert differences_after(server, expected, damage) == named


def test_a_copy_that_nothing_was_done_to_is_the_same(
    server: PostgresServer, expected: DatabaseFacts
) -> None:
    assert differences_after(server, expected, "SELECT 1") == set()
