"""The Qdrant component: every collection's snapshot and facts, and the aliases.

Aliases are in no snapshot. Collections are read one after the other: two snapshots of a collection
within a second would have the same name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pydantic import BaseModel, SecretStr

from onyx_pipelines.errors import SourceError
from onyx_pipelines.progress import Meter, ProgressCallback
from onyx_pipelines.settings import Settings
from onyx_pipelines.sources.qdrant import reading
from onyx_pipelines.sources.qdrant.address import normalised_url
from onyx_pipelines.sources.qdrant.facts import AliasFacts, CollectionFacts
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.journal import SnapshotJournal
from onyx_pipelines.sources.qdrant.snapshot_api import SnapshotApi, open_http
from onyx_pipelines.sources.qdrant.snapshots import Snapshots
from onyx_pipelines.sources.qdrant.streaming import stream_snapshot
from onyx_pipelines.sources.source import (
    Component,
    ComponentReport,
    ComponentSink,
    ComponentStatus,
    object_path,
)

if TYPE_CHECKING:
    # Most of a command's start-up: imported where it is used.
    from qdrant_client import QdrantClient

SNAPSHOT_MEDIA_TYPE: Final = "application/x-tar"
FACTS_MEDIA_TYPE: Final = "application/json"
_EVERY = "*"
# Metadata answers at once, on a busy server too.
_METADATA_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class _Server:
    client: QdrantClient
    api: SnapshotApi
    errors: QdrantErrors
    version: str
    collections: tuple[str, ...]
    aliases: dict[str, str]


class QdrantSource:
    """Reads the collections one after the other, in the order of their names.

    Args:
        collections: names; "*" stands for all.
        sample_points: random points per collection whose content becomes a fact.
        snapshot_timeout_s: how long the server may take to make one snapshot.
        stall_timeout_s: how long it may be silent otherwise.
        wait_after_timeout_s: how long to wait for a snapshot that came too late, to delete it.
    """

    component = Component.QDRANT

    def __init__(
        self,
        url: str,
        *,
        state_dir: Path,
        api_key: SecretStr = SecretStr(""),  # noqa: B008  (immutable)
        collections: Sequence[str] = (_EVERY,),
        sample_points: int = 64,
        snapshot_timeout_s: float = 3600,
        stall_timeout_s: float = 300,
        wait_after_timeout_s: float = 600,
    ) -> None:
        self._url = url
        self._journal = SnapshotJournal(state_dir)
        self._api_key = api_key
        self._collections = tuple(sorted(set(collections)))
        self._sample_points = sample_points
        self._snapshot_timeout_s = snapshot_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._wait_after_timeout_s = wait_after_timeout_s

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
        url = normalised_url(self._url)
        with self._connect(url) as server:
            names = ", ".join(server.collections) or "none"
            return f"Qdrant {server.version} at {url}, collections {names}"

    def back_up(self, sink: ComponentSink, progress: ProgressCallback) -> ComponentReport:
        """Write every collection's snapshot and facts, and the aliases.

        Raises:
            SourceError: any of it could not be read whole. What we made on the server is deleted,
                or stands in the journal for the next run.
        """
        url = normalised_url(self._url)
        warnings: list[str] = []
        with self._connect(url) as server:
            snapshots = Snapshots(
                server.api,
                url,
                self._journal,
                create_timeout_s=self._snapshot_timeout_s,
                wait_after_timeout_s=self._wait_after_timeout_s,
            )
            snapshots.remove_orphans(warnings.append)
            for name in server.collections:
                _require_whole(server, name)
            facts = [
                self._back_up_collection(sink, server, snapshots, name, progress, warnings)
                for name in server.collections
            ]
            _write(
                sink,
                object_path("qdrant", "aliases", suffix=".json"),
                "aliases",
                AliasFacts(aliases=dict(sorted(server.aliases.items()))),
            )
        return _report(server, facts, warnings)

    def _back_up_collection(
        self,
        sink: ComponentSink,
        server: _Server,
        snapshots: Snapshots,
        name: str,
        progress: ProgressCallback,
        warnings: list[str],
    ) -> CollectionFacts:
        client = server.client
        doing = f"reading the collection {name!r}"
        with server.errors.during(doing):
            config, schema = reading.configuration(client, name)
            before = reading.exact_count(client, name)
            sample = reading.random_points(client, name, self._sample_points)
            query = reading.stored_query(client, name)
        with (
            snapshots.snapshot(name, warnings.append) as snapshot,
            sink.object(
                object_path("qdrant", name, suffix=".snapshot"),
                name=name,
                media_type=SNAPSHOT_MEDIA_TYPE,
            ) as output,
        ):
            with server.errors.during(doing):
                sample = reading.unchanged_points(client, name, sample)
                query = reading.unchanged_query(client, name, query)
                after = reading.exact_count(client, name)
            meter = Meter(
                progress, component=self.component, item=name, total_bytes=snapshot.size_bytes
            )
            streamed = stream_snapshot(server.api, server.errors, snapshot, output, meter)
            meter.finish()
        facts = CollectionFacts(
            collection=name,
            server_version=server.version,
            points_before=before,
            points_after=after,
            config=config,
            payload_schema=schema,
            aliases=tuple(sorted(a for a, target in server.aliases.items() if target == name)),
            sample=sample,
            query=query,
            snapshot_bytes=streamed.size_bytes,
            snapshot_sha256=streamed.sha256,
            checksum_source="server" if streamed.has_server_checksum else "length only",
        )
        _write(sink, object_path("facts", "qdrant", name, suffix=".json"), name, facts)
        return facts

    @contextmanager
    def _connect(self, url: str) -> Iterator[_Server]:
        errors = QdrantErrors(url, self._api_key)
        timeout_s = min(_METADATA_TIMEOUT_S, self._stall_timeout_s)
        with (
            open_http(url, self._api_key, read_timeout_s=self._stall_timeout_s) as http,
            reading.open_client(url, self._api_key, timeout_s=timeout_s) as client,
        ):
            api = SnapshotApi(http, errors)
            server_version = api.version()
            with errors.during("asking for its collections"):
                present = reading.collection_names(client)
                aliases = reading.all_aliases(client)
            yield _Server(client, api, errors, server_version, self._chosen(url, present), aliases)

    def _chosen(self, url: str, present: Sequence[str]) -> tuple[str, ...]:
        if not self._collections:
            raise SourceError(
                "No Qdrant collection is chosen.",
                remedy="Set ONYX_QDRANT_COLLECTIONS to * or to names, or unset ONYX_QDRANT_URL.",
            )
        if _EVERY in self._collections:
            return tuple(present)
        missing = [name for name in self._collections if name not in present]
        if missing:
            raise SourceError(
                f"Qdrant {url} has no collection {', '.join(missing)}.",
                remedy="Correct ONYX_QDRANT_COLLECTIONS (an alias is not a collection);"
                f" there are: {', '.join(present) or 'none'}.",
            )
        return self._collections


def _require_whole(server: _Server, name: str) -> None:
    """A snapshot has one node's shards; half a collection must not pass as a backup."""
    with server.errors.during(f"asking where the shards of {name!r} are"):
        elsewhere = reading.shards_elsewhere(server.client, name)
    if elsewhere:
        raise server.errors.failed(
            f"reading the collection {name!r}",
            f"its shards {', '.join(map(str, elsewhere))} are on other nodes of the cluster only",
            remedy="This backup reads one node. Leave the collection out"
            " (ONYX_QDRANT_COLLECTIONS), or let every shard have a replica on this node.",
        )


def _write(sink: ComponentSink, path: str, name: str, facts: BaseModel) -> None:
    with sink.object(path, name=name, media_type=FACTS_MEDIA_TYPE) as output:
        output.write(facts.model_dump_json(indent=1).encode())


def _report(
    server: _Server, facts: Sequence[CollectionFacts], warnings: Sequence[str]
) -> ComponentReport:
    status = ComponentStatus.COMPLETED_WITH_WARNINGS if warnings else ComponentStatus.COMPLETED
    return ComponentReport(
        component=Component.QDRANT,
        status=status,
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
