"""What real Qdrant servers wrote (data/qdrant/): their collections, as they would be in a set."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import zstandard

from onyx_pipelines.core.progress import ProgressCallback
from onyx_pipelines.sources.qdrant.facts import (
    AliasFacts,
    CollectionFacts,
    PointFacts,
    point_fingerprint,
)
from onyx_pipelines.sources.qdrant.qdrant_source import FACTS_MEDIA_TYPE, SNAPSHOT_MEDIA_TYPE
from onyx_pipelines.sources.qdrant.reading import payload_schema
from onyx_pipelines.sources.source import (
    Component,
    ComponentReport,
    ComponentSink,
    ComponentStatus,
    object_path,
)

DATA = Path(__file__).parent / "data" / "qdrant"
VERSIONS = ("1.18.3", "1.16.3")


@dataclass(frozen=True)
class Recorded:
    """One collection of one version of the server."""

    version: str
    name: str

    @cached_property
    def snapshot(self) -> bytes:
        return _unpacked(self._folder / "snapshot.zst")

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(_unpacked(self._folder / "points.json.zst"))
        return found

    @cached_property
    def info(self) -> dict[str, Any]:
        text = (self._folder / "info.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found

    def facts(self, **changes: Any) -> CollectionFacts:
        """As a backup would have read them, but for the stored query."""
        told = {
            "collection": self.name,
            "server_version": self.version,
            "points_before": len(self.points),
            "points_after": len(self.points),
            "config": self.info["info"]["config"],
            "payload_schema": payload_schema(self.info["info"]),
            "aliases": (),
            "sample": tuple(
                PointFacts(
                    id=each["id"], fingerprint=point_fingerprint(each["vector"], each["payload"])
                )
                for each in self.points
            ),
            "sample_is_all": True,
            "query": None,
            "snapshot_bytes": len(self.snapshot),
            "snapshot_sha256": hashlib.sha256(self.snapshot).hexdigest(),
            "checksum_source": "server",
        }
        return CollectionFacts.model_validate({**told, **changes})

    @property
    def _folder(self) -> Path:
        return DATA / self.version / self.name


def recorded(version: str) -> list[Recorded]:
    """Every collection of that version."""
    folders = sorted(each.parent for each in (DATA / version).glob("*/snapshot.zst"))
    return [Recorded(version, each.name) for each in folders]


ALL = [each for version in VERSIONS for each in recorded(version)]


@dataclass(frozen=True)
class SnapshotSource:
    """Gives snapshots and facts that are at hand as a component, with no server."""

    collections: dict[str, tuple[bytes, CollectionFacts]]
    component = Component.QDRANT

    def describe(self) -> str:
        return f"{len(self.collections)} snapshots"

    def back_up(self, sink: ComponentSink, progress: ProgressCallback) -> ComponentReport:
        del progress
        for name, (snapshot, facts) in self.collections.items():
            path = object_path("qdrant", name, suffix=".snapshot")
            with sink.object(path, name=name, media_type=SNAPSHOT_MEDIA_TYPE) as output:
                output.write(snapshot)
            path = object_path("facts", "qdrant", name, suffix=".json")
            with sink.object(path, name=name, media_type=FACTS_MEDIA_TYPE) as output:
                output.write(facts.model_dump_json().encode())
        path = object_path("qdrant", "aliases", suffix=".json")
        with sink.object(path, name="aliases", media_type=FACTS_MEDIA_TYPE) as output:
            output.write(AliasFacts(aliases={}).model_dump_json().encode())
        return ComponentReport(
            component=Component.QDRANT,
            status=ComponentStatus.COMPLETED,
            summary={},
            versions={"qdrant": "recorded"},
            warnings=(),
        )


def _unpacked(path: Path) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
