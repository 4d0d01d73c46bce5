"""The Qdrant component: every collection's snapshot and facts, and the aliases.

Aliases are in no snapshot. Collections are read one after the other: two snapshots of a collection
within a second would have the same name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Self

import httpx
from pydantic import SecretStr
from qdrant_client import QdrantClient

from onyx_pipelines.errors import SourceError
from onyx_pipelines.progress import Meter, ProgressCallback
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.qdrant import reading
from onyx_pipelines.sources.qdrant.facts import CollectionFacts
from onyx_pipelines.sources.qdrant.failures import qdrant_errors, status_error
from onyx_pipelines.sources.qdrant.journal import SnapshotJournal
from onyx_pipelines.sources.qdrant.snapshots import SnapshotService
from onyx_pipelines.sources.source import (
    Component,
    ComponentReport,
    ComponentSink,
    ComponentStatus,
    object_path,
)

SNAPSHOT_MEDIA_TYPE: Final = "application/x-tar"
_ALL = ("*",)
# Metadata answers at once, on a busy server too.
_METADATA_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class _Server:
    client: QdrantClient
    snapshots: SnapshotService
    version: str
    collections: tuple[str, ...]
    aliases: dict[str, str]


class QdrantSource:
    """Reads the collections one after the other, in the order of their names.

    Args:
        collections: names, or ("*",) for all.
        sample_points: random points per collection whose content becomes a fact.
        snapshot_timeout_s: how long the server may take to make one snapshot.
    """

    component = Component.QDRANT

    def __init__(
        self,
        url: str,
        *,
        state_dir: Path,
        api_key: SecretStr = SecretStr(""),  # noqa: B008  (immutable)
        collections: Sequence[str] = _ALL,
        sample_points: int = 64,
        snapshot_timeout_s: float = 3600,
        stall_timeout_s: float = 300,
    ) -> None:
        self._url = url.rstrip("/")
        self._journal = SnapshotJournal(state_dir)
        self._api_key = api_key
        self._collections = tuple(collections)
        self._sample_points = sample_points
        self._snapshot_timeout_s = snapshot_timeout_s
        self._stall_timeout_s = stall_timeout_s

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            settings.qdrant_url,
            state_dir=settings.state_dir,
            api_key=settings.qdrant_api_key,
            collections=settings.qdrant_collections,
            sample_points=settings.qdrant_sample_points,
            snapshot_timeout_s=settings.qdrant_snapshot_timeout_s,
            stall_timeout_s=settings.stall_timeout_s,
        )

    def describe(self) -> str:
        """Which server and collections; makes no snapshot.

        Raises:
            SourceError: the server or a chosen collection is not there.
        """
        with self._connect() as server:
            names = ", ".join(server.collections) or "none"
            return f"Qdrant {server.version} at {self._url}, collections {names}"

    def back_up(self, sink: ComponentSink, progress: ProgressCallback) -> ComponentReport:
        """Write every collection's snapshot and facts, and the aliases.

        Raises:
            SourceError: any of it could not be read whole; no snapshot of ours stays on the server.
        """
        warnings: list[str] = []
        with self._connect() as server:
            server.snapshots.remove_orphans(warnings.append)
            facts = [
                self._back_up_collection(sink, server, name, progress, warnings)
                for name in server.collections
            ]
            self._write_json(
                sink,
                object_path("qdrant", "aliases", suffix=".json"),
                "aliases",
                json.dumps(server.aliases, sort_keys=True),
            )
        return ComponentReport(
            component=self.component,
            status=(
                ComponentStatus.COMPLETED_WITH_WARNINGS if warnings else ComponentStatus.COMPLETED
            ),
            summary={
                "vector_count": sum(each.points_after for each in facts),
                "collections_count": len(facts),
                "aliases_count": len(server.aliases),
                "snapshot_bytes": sum(each.snapshot_bytes for each in facts),
                "sampled_points_count": sum(len(each.sample) for each in facts),
            },
            versions={"qdrant": server.version, "qdrant_client": version("qdrant-client")},
            warnings=tuple(warnings),
        )

    def _back_up_collection(
        self,
        sink: ComponentSink,
        server: _Server,
        name: str,
        progress: ProgressCallback,
        warnings: list[str],
    ) -> CollectionFacts:
        client = server.client
        with qdrant_errors(self._url, f"reading the collection {name!r}"):
            config, schema = reading.configuration(client, name)
            before = reading.exact_count(client, name)
            sample = reading.random_points(client, name, self._sample_points)
        with (
            server.snapshots.snapshot(name, warnings.append) as snapshot,
            sink.object(
                object_path("qdrant", name, suffix=".snapshot"),
                name=name,
                media_type=SNAPSHOT_MEDIA_TYPE,
            ) as output,
        ):
            with qdrant_errors(self._url, f"reading the collection {name!r}"):
                # What is the same before and after stands in the snapshot exactly so.
                again = reading.points_by_id(client, name, [point.id for point in sample])
                unchanged = tuple(point for point in sample if point in again)
                after = reading.exact_count(client, name)
                query = reading.stored_query(client, name) if before == after else None
            meter = Meter(
                progress, component=self.component, item=name, total_bytes=snapshot.size_bytes
            )
            streamed = server.snapshots.stream(snapshot, output, meter)
        facts = CollectionFacts(
            collection=name,
            server_version=server.version,
            points_before=before,
            points_after=after,
            config=config,
            payload_schema=schema,
            aliases=tuple(sorted(a for a, target in server.aliases.items() if target == name)),
            sample=unchanged,
            query=query,
            snapshot_bytes=streamed.size_bytes,
            snapshot_sha256=streamed.sha256,
            checksum_source="server" if streamed.checked_by_server else "length only",
        )
        self._write_json(
            sink,
            object_path("facts", "qdrant", name, suffix=".json"),
            name,
            facts.model_dump_json(),
        )
        meter.finish()
        return facts

    @contextmanager
    def _connect(self) -> Iterator[_Server]:
        headers = {"Accept-Encoding": "identity"}
        if self._api_key.get_secret_value():
            headers["api-key"] = self._api_key.get_secret_value()
        timeout = httpx.Timeout(10, read=self._stall_timeout_s, write=60)
        with (
            httpx.Client(base_url=self._url, headers=headers, timeout=timeout) as http,
            reading.open_client(
                self._url, self._api_key, timeout_s=min(_METADATA_TIMEOUT_S, self._stall_timeout_s)
            ) as client,
        ):
            with qdrant_errors(self._url, "asking for its version and collections"):
                answer = http.get("/")
                if answer.status_code != 200:
                    raise status_error(self._url, "asking for its version", answer.status_code, "")
                server_version = str(answer.json().get("version", "unknown"))
                present = sorted(each.name for each in client.get_collections().collections)
                aliases = {a.alias_name: a.collection_name for a in client.get_aliases().aliases}
            wanted = tuple(present) if self._collections == _ALL else self._collections
            missing = [name for name in wanted if name not in present]
            if missing:
                raise SourceError(
                    f"Qdrant {self._url} has no collection {', '.join(missing)}.",
                    remedy=f"Correct ONYX_QDRANT_COLLECTIONS; there are: {', '.join(present)}.",
                )
            snapshots = SnapshotService(
                http, self._url, self._journal, create_timeout_s=self._snapshot_timeout_s
            )
            yield _Server(client, snapshots, server_version, wanted, aliases)

    def _write_json(self, sink: ComponentSink, path: str, name: str, text: str) -> None:
        with sink.object(path, name=name, media_type="application/json") as output:
            output.write(text.encode())
