"""The Qdrant component: every collection's snapshot and facts, and the aliases.

Aliases are in no snapshot. Collections are read one after the other: two snapshots of a collection
within a second would have the same name. One that cannot be read is missing; the others are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.core.progress import Meter, ProgressCallback
from onyx_pipelines.core.settings import QdrantSettings
from onyx_pipelines.sources.qdrant import reading
from onyx_pipelines.sources.qdrant.address import normalised_url
from onyx_pipelines.sources.qdrant.collection_api import CollectionApi
from onyx_pipelines.sources.qdrant.condition import (
    Trouble,
    recovery_mode,
    refusal,
    troubles,
    withheld,
)
from onyx_pipelines.sources.qdrant.each_collection import Taken, take_each
from onyx_pipelines.sources.qdrant.examining import examine
from onyx_pipelines.sources.qdrant.facts import AliasFacts, CollectionFacts
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.journal import SnapshotJournal
from onyx_pipelines.sources.qdrant.looking import (
    ALL_UP_TO,
    Limits,
    Looking,
    look,
    look_again,
    unchanged,
    vector_names,
)
from onyx_pipelines.sources.qdrant.patience import A_LOOK_S, EACH_S, WHOLE_S, Patience
from onyx_pipelines.sources.qdrant.scratch_names import is_scratch
from onyx_pipelines.sources.qdrant.snapshot_api import SnapshotApi, open_http
from onyx_pipelines.sources.qdrant.snapshots import Snapshots
from onyx_pipelines.sources.qdrant.streaming import stream_snapshot
from onyx_pipelines.sources.qdrant.write_activity import writes_counted
from onyx_pipelines.sources.source import (
    ALIAS,
    Component,
    ComponentReport,
    ComponentSink,
    ComponentStatus,
    object_path,
)

SNAPSHOT_MEDIA_TYPE: Final = "application/x-tar"
FACTS_MEDIA_TYPE: Final = "application/json"
_EVERY = "*"
# Metadata answers at once, on a busy server too.
_METADATA_TIMEOUT_S: Final = 60.0
# What was taken before the snapshot ought to be seen after it.
_APPLIES_WITHIN_S: Final = 10.0


@dataclass(frozen=True)
class _Server:
    api: CollectionApi
    snapshots: SnapshotApi
    errors: QdrantErrors
    patience: Patience
    version: str
    collections: tuple[str, ...]
    absent: Mapping[str, SourceError]
    aliases: dict[str, str]

    def writes(self) -> int | None:
        """Answered so far; None: it does not say."""
        metrics = self.snapshots.metrics()
        return None if metrics is None else writes_counted(metrics)


class QdrantSource:
    """Reads the collections one after the other, in the order of their names.

    Args:
        collections: names; "*" stands for all but what drills and restores make.
        sample_points: random points of a large collection whose content becomes a fact.
        all_up_to: a collection of so many points is not large: all of them become facts.
        snapshot_timeout_s: how long the server may take to make one snapshot.
        stall_timeout_s: how long it may be silent otherwise.
        patience_s: how long to wait, for one collection, where the rate is limited, or for a
            snapshot that came too late, to delete it.
        whole_patience_s: the same for all collections together.
        look_patience_s: the same where it is only looked at.
        ca_file: certificates to trust besides the system's.
    """

    component = Component.QDRANT

    def __init__(
        self,
        url: str,
        *,
        state_dir: Path,
        api_key: SecretStr = SecretStr(""),  # noqa: B008  (immutable)
        collections: Sequence[str] = (_EVERY,),
        sample_points: int = 500,
        all_up_to: int = ALL_UP_TO,
        snapshot_timeout_s: float = 3600,
        stall_timeout_s: float = 300,
        patience_s: float = EACH_S,
        whole_patience_s: float = WHOLE_S,
        look_patience_s: float = A_LOOK_S,
        ca_file: Path | None = None,
    ) -> None:
        self._url = url
        self._journal = SnapshotJournal(state_dir)
        self._api_key = api_key
        self._collections = tuple(sorted(set(collections)))
        self._sample_points = sample_points
        self._all_up_to = all_up_to
        self._ca_file = ca_file
        self._snapshot_timeout_s = snapshot_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._patience_s = patience_s
        self._whole_patience_s = whole_patience_s
        self._look_patience_s = look_patience_s

    @classmethod
    def from_settings(cls, settings: QdrantSettings) -> Self:
        """The server and collections that `ONYX_QDRANT_URL` and its neighbours name."""
        return cls(
            settings.qdrant_url,
            state_dir=settings.state_dir,
            api_key=settings.qdrant_api_key,
            collections=settings.qdrant_collections,
            sample_points=settings.qdrant_sample_points,
            snapshot_timeout_s=settings.qdrant_snapshot_timeout_s,
            stall_timeout_s=settings.stall_timeout_s,
            ca_file=settings.qdrant_ca_file,
        )

    def describe(self) -> str:
        """Which server and collections, and what the key may do; makes no snapshot.

        Raises:
            SourceError: the server or a chosen collection is not there or not well, or the key may
                not make snapshots.
        """
        url = normalised_url(self._url)
        with self._connect(url, Patience(whole_s=self._look_patience_s)) as server:
            for error in server.absent.values():
                raise error
            names = ", ".join(server.collections) or "none"
            rights = examine(server.api, server.snapshots, server.errors, server.collections)
            return f"Qdrant {server.version} at {url}, collections {names}; {rights}"

    def back_up(self, sink: ComponentSink, progress: ProgressCallback) -> ComponentReport:
        """Write every collection's snapshot and facts, and the aliases.

        Raises:
            SourceError: the server does not answer, or no collection could be read whole. What we
                made on the server is deleted, or stands in the journal for the next run.
        """
        url = normalised_url(self._url)
        warnings: list[str] = []
        patience = Patience(each_s=self._patience_s, whole_s=self._whole_patience_s)
        with self._connect(url, patience) as server:
            snapshots = Snapshots(
                server.snapshots,
                url,
                self._journal,
                create_timeout_s=self._snapshot_timeout_s,
                patience=patience,
            )
            snapshots.remove_orphans(warnings.append)
            unwell = recovery_mode(server.snapshots.metrics())
            warnings += [each.what for each in unwell]

            def back_up(name: str) -> CollectionFacts:
                return self._back_up_collection(sink, server, snapshots, name, progress, warnings)

            try:
                taken = take_each(server.collections, back_up, server.api.names)
            except SourceError as error:
                raise _explained(error, unwell) from None
            _write(
                sink,
                object_path("qdrant", "aliases", suffix=".json"),
                "aliases",
                AliasFacts(aliases=dict(sorted(server.aliases.items()))),
            )
        return _report(server, taken, warnings)

    def _back_up_collection(
        self,
        sink: ComponentSink,
        server: _Server,
        snapshots: Snapshots,
        name: str,
        progress: ProgressCallback,
        warnings: list[str],
    ) -> CollectionFacts:
        api = server.api
        with server.errors.during(f"reading the collection {name!r}"):
            info, cluster = api.info(name), api.cluster(name)
            refused = refusal(name, info, cluster)
            if refused is not None:
                raise server.errors.failed(
                    f"reading the collection {name!r}", refused.what, remedy=refused.remedy
                )
            warnings += [each.what for each in troubles(name, info, cluster)]
            limits = Limits.of(info["config"])
            looking = Looking(api, name, limits)
            query = reading.stored_query(api, name, limits)
            first = look(
                looking,
                info.get("points_count"),
                vectors=vector_names(info["config"]),
                all_up_to=self._all_up_to,
                sample=self._sample_points,
            )
        writes_before = None if first.is_all else server.writes()
        with (
            snapshots.snapshot(name, warnings.append) as snapshot,
            sink.object(
                object_path("qdrant", name, suffix=".snapshot"),
                name=name,
                media_type=SNAPSHOT_MEDIA_TYPE,
            ) as output,
        ):
            settled = reading.settled_info(api, name, server.patience, _APPLIES_WITHIN_S)
            second = look_again(looking, first)
            query = reading.unchanged_query(api, name, query)
            writes_after = None if first.is_all else server.writes()
            meter = Meter(
                progress, component=self.component, item=name, total_bytes=snapshot.size_bytes
            )
            streamed = stream_snapshot(server.snapshots, server.errors, snapshot, output, meter)
            meter.finish()
        same = unchanged(first, second)
        facts = CollectionFacts(
            collection=name,
            server_version=server.version,
            points_before=first.count,
            points_after=second.count,
            config=info["config"],
            payload_schema=reading.payload_schema(info),
            aliases=tuple(sorted(a for a, target in server.aliases.items() if target == name)),
            sample=same.sample,
            sample_is_all=first.is_all,
            moved=same.moved,
            writes_seen=None
            if writes_before is None or writes_after is None
            else writes_before != writes_after,
            query=query,
            snapshot_bytes=streamed.size_bytes,
            snapshot_sha256=streamed.sha256,
            checksum_source="server" if streamed.has_server_checksum else "length only",
            indexed_vectors=info.get("indexed_vectors_count"),
            withheld=withheld(settled),
        )
        _write(sink, object_path("facts", "qdrant", name, suffix=".json"), name, facts)
        return facts

    @contextmanager
    def _connect(self, url: str, patience: Patience) -> Iterator[_Server]:
        errors = QdrantErrors(url, self._api_key)
        with open_http(
            url, self._api_key, read_timeout_s=self._stall_timeout_s, ca_file=self._ca_file
        ) as http:
            timeout_s = min(_METADATA_TIMEOUT_S, self._stall_timeout_s)
            api = CollectionApi(http, errors, timeout_s=timeout_s, patience=patience)
            snapshots = SnapshotApi(http, errors, patience)
            server_version = snapshots.version()
            present = api.names()
            aliases = api.aliases()
            chosen = self._chosen(present)
            absent = {name: _absent(url, name, present) for name in chosen if name not in present}
            there = tuple(name for name in chosen if name in present)
            if absent and not there:
                raise next(iter(absent.values()))
            yield _Server(api, snapshots, errors, patience, server_version, there, absent, aliases)

    def _chosen(self, present: Sequence[str]) -> tuple[str, ...]:
        if not self._collections:
            raise SourceError(
                "No Qdrant collection is chosen.",
                remedy="Set ONYX_QDRANT_COLLECTIONS to * or to names, or unset ONYX_QDRANT_URL.",
            )
        if _EVERY in self._collections:
            return tuple(name for name in present if not is_scratch(name))
        return self._collections


def _absent(url: str, name: str, present: Sequence[str]) -> SourceError:
    return SourceError(
        f"Qdrant {url} has no collection {name}.",
        remedy="Correct ONYX_QDRANT_COLLECTIONS (an alias is not a collection), or use a"
        f" key that sees it; there are: {', '.join(present) or 'none'}.",
    )


def _explained(error: SourceError, unwell: Sequence[Trouble]) -> SourceError:
    """Why nothing at all could be read, if that is known."""
    if not unwell:
        return error
    return SourceError(
        f"{error.what} And {'; '.join(each.what for each in unwell)}.",
        remedy=unwell[0].remedy,
        transient=error.transient,
    )


def _write(sink: ComponentSink, path: str, name: str, facts: BaseModel) -> None:
    with sink.object(path, name=name, media_type=FACTS_MEDIA_TYPE) as output:
        output.write(facts.model_dump_json(indent=1).encode())


def _report(
    server: _Server, taken: Taken[CollectionFacts], problems: Sequence[str]
) -> ComponentReport:
    facts = taken.done
    missing = {**server.absent, **taken.missing}
    warnings = dict.fromkeys(
        [
            *problems,
            *(f"the collection {name!r} was dropped meanwhile" for name in taken.vanished),
            *(f"the collection {n!r} is not in this set: {e}" for n, e in missing.items()),
        ]
    )
    status = ComponentStatus.COMPLETED_WITH_WARNINGS if warnings else ComponentStatus.COMPLETED
    return ComponentReport(
        component=Component.QDRANT,
        status=status,
        summary={
            "vector_count": sum(each.points_after for each in facts),
            "collections_count": len(facts),
            "aliases_count": len(server.aliases),
            **{ALIAS + each: server.aliases[each] for each in sorted(server.aliases)},
            "snapshot_bytes": sum(each.snapshot_bytes for each in facts),
            "sampled_points_count": sum(len(each.sample) for each in facts),
        },
        versions={"qdrant": server.version},
        warnings=tuple(warnings),
        missing={name: str(error) for name, error in missing.items()},
    )
