"""The Edge-backed stand-in, one per session, and collections of its own for each test.

`qdrant_server` is a real server instead where QDRANT_TEST_URL (and QDRANT_TEST_API_KEY) name one.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from qdrant_client import QdrantClient, models

from onyx_pipelines.core.certificates import usual_certificates
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines.sources.qdrant import QdrantSource
from onyx_pipelines.sources.qdrant.facts import CollectionFacts
from onyx_pipelines.sources.source import ComponentReport, object_path
from onyx_pipelines_tests.lifetime import disk_of, session_directory
from onyx_pipelines_tests.recording_sink import RecordingSink

DIMENSIONS = 8


@dataclass(frozen=True)
class QdrantServer:
    """Where tests read and write."""

    url: str
    api_key: str
    client: QdrantClient

    def request(self, method: str, path: str, **options: Any) -> Any:
        """The `result` of an answer."""
        headers = {"api-key": self.api_key} if self.api_key else {}
        answer = httpx.request(
            method,
            self.url + path,
            headers=headers,
            timeout=60,
            verify=usual_certificates(),
            **options,
        )
        return answer.raise_for_status().json()["result"]

    def request_version(self) -> str:
        return str(httpx.get(self.url, timeout=60).json()["version"])

    def download(self, collection: str, snapshot: str) -> bytes:
        headers = {"api-key": self.api_key} if self.api_key else {}
        path = f"{self.url}/collections/{collection}/snapshots/{snapshot}"
        return httpx.get(path, headers=headers, timeout=60).raise_for_status().content

    def make_snapshot(self, collection: str) -> str:
        """Somebody else's. In a second of its own: the name has no more than that."""
        time.sleep(1.05)
        made = self.client.create_snapshot(collection)
        assert made is not None
        time.sleep(1.05)
        return made.name

    def snapshots(self, collection: str) -> list[str]:
        return sorted(each.name for each in self.client.list_snapshots(collection))


@contextmanager
def open_client(url: str, api_key: str = "") -> Iterator[QdrantClient]:
    """Qdrant's own client."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        client = QdrantClient(
            url=url, api_key=api_key or None, timeout=60, check_compatibility=False
        )
    with closing(client):
        yield client


MakeCollection = Callable[..., str]
MakeSource = Callable[..., QdrantSource]


@pytest.fixture(scope="session")
def standin_process() -> Iterator[QdrantStandIn]:
    disk = disk_of(session_directory())
    disk.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="onyx-qdrant-", dir=disk))
    with QdrantStandIn(directory / "standin") as server:
        yield server
    shutil.rmtree(directory)


@pytest.fixture
def standin(standin_process: QdrantStandIn) -> Iterator[QdrantStandIn]:
    """For injecting faults: `standin.set_faults(null_checksum=True)`."""
    yield standin_process
    standin_process.set_faults()


@pytest.fixture(scope="session")
def qdrant_server(request: pytest.FixtureRequest) -> Iterator[QdrantServer]:
    """For everything that needs no injected fault."""
    api_key = os.environ.get("QDRANT_TEST_API_KEY", "")
    url = os.environ.get("QDRANT_TEST_URL", "").rstrip("/")
    url = url or request.getfixturevalue("standin_process").url
    with open_client(url, api_key) as client:
        yield QdrantServer(url, api_key, client)


@pytest.fixture
def faulty_server(standin: QdrantStandIn) -> Iterator[QdrantServer]:
    """The stand-in, whatever QDRANT_TEST_URL says."""
    with open_client(standin.url) as client:
        yield QdrantServer(standin.url, "", client)


@pytest.fixture
def make_collection(qdrant_server: QdrantServer) -> Iterator[MakeCollection]:
    """`make_collection(name="…", points=20, vectors=…)` in `qdrant_server`; gives its name."""
    yield from _maker(qdrant_server)


@pytest.fixture
def make_faulty_collection(faulty_server: QdrantServer) -> Iterator[MakeCollection]:
    """`make_collection` in `faulty_server`."""
    yield from _maker(faulty_server)


@pytest.fixture
def faulty_collection(faulty_server: QdrantServer) -> Iterator[str]:
    """A collection of 20 points in `faulty_server`."""
    maker = _maker(faulty_server)
    yield next(maker)()
    next(maker, None)


def _maker(server: QdrantServer) -> Iterator[MakeCollection]:
    made: list[str] = []

    def make(
        name: str | None = None,
        *,
        points: Sequence[models.PointStruct] | int = 20,
        vectors: Any = None,
    ) -> str:
        chosen = name or f"test-{secrets.token_hex(6)}"
        config = vectors or models.VectorParams(size=DIMENSIONS, distance=models.Distance.COSINE)
        server.client.create_collection(chosen, vectors_config=config)
        made.append(chosen)
        wanted = sample_points(points) if isinstance(points, int) else list(points)
        if wanted:
            server.client.upsert(chosen, points=wanted, wait=True)
        return chosen

    yield make
    for name in made:
        server.client.delete_collection(name)


def set_alias(server: QdrantServer, alias: str, collection: str) -> None:
    server.client.update_collection_aliases(
        [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)),
            models.CreateAliasOperation(
                create_alias=models.CreateAlias(collection_name=collection, alias_name=alias)
            ),
        ]
    )


def restrict(server: QdrantServer, name: str, **limits: Any) -> None:
    """Strict mode with these limits."""
    strict = {"strict_mode_config": {"enabled": True, **limits}}
    server.request("PATCH", f"/collections/{name}", json=strict)


def sample_points(count: int) -> list[models.PointStruct]:
    """The same every time."""
    return [
        models.PointStruct(
            id=number,
            vector=[((number * 7 + axis * 3) % 11) - 4.5 for axis in range(DIMENSIONS)],
            payload={"title": f"Größe {number}", "tags": ["a", number], "score": number / 3},
        )
        for number in range(count)
    ]


@pytest.fixture
def make_source(tmp_path: Path) -> MakeSource:
    """`make_source(server, collection, **options)`; its state stands in `tmp_path / "state"`."""

    def make(server: QdrantServer, *collections: str, **options: Any) -> QdrantSource:
        return QdrantSource(
            server.url,
            **{
                "state_dir": tmp_path / "state",
                "api_key": SecretStr(server.api_key),
                "collections": collections or ("*",),
                **options,
            },
        )

    return make


def back_up(source: QdrantSource) -> tuple[RecordingSink, ComponentReport]:
    sink = RecordingSink()
    return sink, source.back_up(sink, silent)


def facts_in(sink: RecordingSink, collection: str) -> CollectionFacts:
    path = object_path("facts", "qdrant", collection, suffix=".json")
    return CollectionFacts.model_validate_json(sink.objects[path].data)


def snapshot_in(sink: RecordingSink, collection: str) -> bytes:
    return sink.objects[object_path("qdrant", collection, suffix=".snapshot")].data


def journal_in(state_dir: Path) -> list[Path]:
    return sorted((state_dir / "journal" / "qdrant").glob("*"))
