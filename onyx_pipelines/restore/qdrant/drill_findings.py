"""What a drill of Qdrant says where there is nothing to compare, or the engine cannot tell."""

from __future__ import annotations

from collections.abc import Sequence

from onyx_pipelines.errors import SourceError
from onyx_pipelines.restore import findings
from onyx_pipelines.restore.findings import ARCHIVE
from onyx_pipelines.restore.qdrant.collections import CollectionObjects, Damage
from onyx_pipelines.restore.qdrant.comparison import CONFIG
from onyx_pipelines.restore.qdrant.versions import engine_range, engine_reads
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.qdrant.snapshot_archive import UnknownFormError, UnpackedSnapshot


def damaged(collection: CollectionObjects, error: Damage) -> Finding:
    """What cannot be read is damaged, unless it is of a version that nobody said we can read."""
    if isinstance(error, UnknownFormError) and not engine_reads(collection.facts.server_version):
        return _cannot_tell(collection, error.what)
    return findings.damaged(collection.name, error)


def beyond_the_engine(
    collection: CollectionObjects, unpacked: UnpackedSnapshot, findings: Sequence[Finding]
) -> list[Finding]:
    """The findings, but for what the engine found different where it may have misread.

    The configuration is not read by the engine.
    """
    in_rocksdb = any(shard.has_rocksdb for shard in unpacked.shards.values())
    if engine_reads(collection.facts.server_version) and not in_rocksdb:
        return list(findings)
    misread = [f for f in findings if f.verdict is Verdict.FAILED and f.aspect != CONFIG]
    if not misread:
        return list(findings)
    why = "it keeps data in RocksDB, which the engine leaves out" if in_rocksdb else ""
    said = "; ".join(filter(None, (why, *(f.message for f in misread[:3]))))
    return [f for f in findings if f not in misread] + [_cannot_tell(collection, said)]


def not_taken(collection: CollectionObjects, error: SourceError) -> Finding:
    """By the server for drills."""
    return Finding(
        verdict=Verdict.COULD_NOT_VERIFY,
        item=collection.name,
        aspect=ARCHIVE,
        message=f"{error.what} {error.remedy}",
    )


def another_snapshot(item: str) -> Finding:
    return Finding(
        verdict=Verdict.FAILED,
        item=item,
        aspect=ARCHIVE,
        message="The snapshot in the set is not the one that was read from the server: its"
        " checksum is another.",
    )


def _cannot_tell(collection: CollectionObjects, said: str) -> Finding:
    return Finding(
        verdict=Verdict.COULD_NOT_VERIFY,
        item=collection.name,
        aspect="version",
        message=f"The snapshot is of Qdrant {collection.facts.server_version}, and the engine of"
        f" this drill reads Qdrant {engine_range()}: {said.rstrip('.')}. A server for drills"
        " (ONYX_DRILL_QDRANT_URL) can tell.",
    )
