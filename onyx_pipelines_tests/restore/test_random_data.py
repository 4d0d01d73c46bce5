"""A drill is silent on healthy data, whatever it is: twenty random data sets of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.postgres.drilling import drill as drill_postgres
from onyx_pipelines.sandbox.postgres_server import PostgresServer
from onyx_pipelines_tests.fixtures_postgres import (
    MakeDatabase,
    execute,
    make_database,
    make_role,
    postgres_server,
    public_dir,
)
from onyx_pipelines_tests.fixtures_qdrant import (
    MakeCollection,
    QdrantServer,
    make_collection,
    qdrant_server,
    standin,
    standin_process,
)
from onyx_pipelines_tests.restore.postgres.postgres_sets import PostgresSets, work_on
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets
from onyx_pipelines_tests.restore.random_data import (
    database_statements,
    make_volume,
    points_of,
    vectors_of,
)
from onyx_pipelines_tests.restore.volumes.volume_sets import drilled, make_vault

pytestmark = pytest.mark.slow

__all__ = [
    "make_collection",
    "make_database",
    "make_role",
    "postgres_server",
    "public_dir",
    "qdrant_server",
    "standin",
    "standin_process",
]

NUMBERS = range(20)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("state", "store", "scratch"):
        (tmp_path / folder).mkdir(mode=0o700)
    return tmp_path


@pytest.mark.thorough
def test_twenty_random_databases_pass(
    root: Path, postgres_server: PostgresServer, make_database: MakeDatabase
) -> None:
    sets = PostgresSets(root, postgres_server)
    databases = [make_database() for _ in NUMBERS]
    for number, name in zip(NUMBERS, databases, strict=True):
        execute(postgres_server, name, *database_statements(number))
    objects = sets.of(*databases, with_globals=True)
    settings = sets.settings.model_copy(update={"scratch_dir": None})

    result = drill_postgres(work_on(objects, settings))

    assert result.problems() == []
    assert result.verdict is Verdict.PASSED


@pytest.mark.thorough
def test_twenty_random_collections_pass(
    root: Path, qdrant_server: QdrantServer, make_collection: MakeCollection
) -> None:
    sets = QdrantSets(root, qdrant_server)
    names = [
        make_collection(points=points_of(number), vectors=vectors_of(number)) for number in NUMBERS
    ]

    result = sets.drill(sets.of(*names))

    assert result.problems() == []
    assert result.verdict is Verdict.PASSED


def test_twenty_random_volumes_pass(root: Path) -> None:
    volumes = {f"v{number}": root / f"v{number}" for number in NUMBERS}
    for number in NUMBERS:
        make_volume(number, volumes[f"v{number}"])

    result = drilled(make_vault(root / "vault").back_up(volumes), root)

    assert result.problems() == []
    assert result.verdict is Verdict.PASSED
