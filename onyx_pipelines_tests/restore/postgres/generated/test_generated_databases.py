"""Databases of all kinds of objects, drawn at random: what is said of a backup of one is what
PostgreSQL's own tools say, on either version and from the older to the newer.

A few each time, always the same; 210 others with `make nightly`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines.sources.postgres.binaries import SERVER_PROGRAMS, Binaries, find_binaries
from onyx_pipelines_tests.examples import NIGHTLY, random_examples
from onyx_pipelines_tests.fixtures_postgres import execute
from onyx_pipelines_tests.restore.postgres.generated.databases import (
    NAME_PATTERN,
    ROLE_STATEMENTS,
    MadeDatabase,
    databases,
    tablespaces,
)
from onyx_pipelines_tests.restore.postgres.generated.judging import Move, made_databases

IS_NIGHTLY = settings.get_current_profile_name() == NIGHTLY
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if IS_NIGHTLY else 1800)]

MOVES = (
    pytest.param("15 to 15", marks=pytest.mark.thorough),
    pytest.param("15 to 18", marks=pytest.mark.thorough),
    "18 to 18",
)
NAMES = ("made a=b", 'made "q"', "postgres://made", "made's ü", "made")
# Those of one batch go through one drill and one restore.
BATCH, BATCHES = 5 if IS_NIGHTLY else 3, random_examples(1, at_night=14)
# No shrinking: what is found names the object, and each try takes many seconds.
DRAWN = settings(
    max_examples=BATCHES,
    derandomize=not IS_NIGHTLY,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def debian() -> Binaries:
    return find_binaries(0, programs=("psql", *SERVER_PROGRAMS))


@pytest.fixture(params=MOVES if IS_NIGHTLY else MOVES[:2], scope="module")
def move(
    request: pytest.FixtureRequest, public_dir: Path, debian: Binaries, wheel: Binaries
) -> Iterator[Move]:
    """Two servers; the roles are in the first."""
    versions = {"15": debian, "18": wheel}
    source, _, target = request.param.partition(" to ")
    root = public_dir / f"made-{source}-{target}"
    with (
        PostgresServer(root / "source", binaries=versions[source]) as first,
        PostgresServer(root / "target", binaries=versions[target]) as second,
    ):
        execute(first, "postgres", *ROLE_STATEMENTS)
        yield Move(first, second, versions[source], versions[target])


@DRAWN
@given(
    drawn=st.tuples(*(databases(seed=seed) for seed in range(BATCH))), said_of_spaces=tablespaces()
)
def test_what_is_said_of_a_random_database_is_true(
    move: Move, public_dir: Path, drawn: tuple[MadeDatabase, ...], said_of_spaces: tuple[str, ...]
) -> None:
    root = public_dir / f"made-sets-{secrets.token_hex(6)}"
    made = dict(zip(NAMES, drawn, strict=False))

    wrong = made_databases(move, made, said_of_spaces, root, NAME_PATTERN)

    assert wrong == {}, "\n\n".join(made[name].script() for name in wrong if name in made)


# As in the reference's list of commands; what belongs to a cluster is made once for all.
KINDS = (
    *("ACCESS METHOD", "AGGREGATE", "CAST", "COLLATION", "CONVERSION", "DOMAIN", "EVENT TRIGGER"),
    *("EXTENSION", "FOREIGN DATA WRAPPER", "FOREIGN TABLE", "FUNCTION", "INDEX", "LANGUAGE"),
    *("MATERIALIZED VIEW", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "POLICY", "PROCEDURE"),
    *("PUBLICATION", "RULE", "SCHEMA", "SEQUENCE", "SERVER", "STATISTICS", "SUBSCRIPTION", "TABLE"),
    *("TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "TEXT SEARCH PARSER"),
    *("TEXT SEARCH TEMPLATE", "TRANSFORM", "TRIGGER", "TYPE", "USER MAPPING", "VIEW"),
)


def test_all_kinds_of_the_documentation_are_drawn() -> None:
    statements: list[str] = []

    @settings(DRAWN, max_examples=100)
    @given(databases())
    def draw(made: MadeDatabase) -> None:
        statements.extend(made.statements)

    draw()

    assert [kind for kind in KINDS if not any(_makes(each, kind) for each in statements)] == []


def _makes(statement: str, kind: str) -> bool:
    return (
        re.match(rf"CREATE (UNIQUE |UNLOGGED |RECURSIVE |CONSTRAINT )?{kind} ", statement)
        is not None
    )
