"""A backup set as the spec's `backup_metadata` tells it, and one that is not as it was. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from onyx_pipelines.api.models import (
    BackupStatus,
    FaultySetAnswer,
    PostgresqlAnswer,
    QdrantAnswer,
    SetAnswer,
    VolumeAnswer,
)
from onyx_pipelines.core.text import BYTES_PER_GB
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.catalog import CatalogRow
from onyx_pipelines.vault.manifest import ComponentRecord, Manifest
from onyx_pipelines.vault.scanning import DamagedSet, StoredSet, UntrustedSet
from onyx_pipelines.vault.set_view import SetView

Answer = PostgresqlAnswer | QdrantAnswer | VolumeAnswer


def set_answer(row: CatalogRow, view: SetView) -> SetAnswer:
    """Only finished sets are listed, so each is completed, but where every store's copy is known to
    be damaged; its warnings are told beside that."""
    manifest = view.manifest
    return SetAnswer.model_validate(
        {
            **row.as_json(),
            "timestamp": manifest.timestamp,
            "components": dict(_components(manifest)),
            "status": "completed" if _is_sound(view.copies) else "failed",
            "retention_days": manifest.retention_days,
            "warnings": _warnings(manifest, [c.damaged for c in view.copies if c.damaged]),
        }
    )


def status_answer(
    backup_id: str, copies: Sequence[StoredSet], unreadable: Sequence[DamagedSet]
) -> BackupStatus:
    """Of a set that has been completed: what is left of it.

    Args:
        copies: of each store that has its manifest.
        unreadable: manifests that nobody can read.
    """
    damaged = [*unreadable, *(c.damaged for c in copies if c.damaged)]
    if not copies:
        return BackupStatus(
            backup_id=backup_id,
            status="failed",
            progress=100.0,
            components_completed=[],
            warnings=[_sentence(each) for each in damaged],
        )
    best = next((c for c in copies if c.is_sound), copies[0])
    # A verification that failed does not say here what it found.
    records = () if best.verification_failed else tuple(best.manifest.objects)
    broken = {record.component for record in records if record.key in best.missing}
    there = {record.component for record in records} - broken
    return BackupStatus(
        backup_id=backup_id,
        status="completed" if best.is_sound else "failed",
        progress=100.0,
        components_completed=[component for component in Component if component in there],
        warnings=_warnings(best.manifest, damaged),
    )


def faulty_answer(each: DamagedSet | UntrustedSet) -> FaultySetAnswer:
    return FaultySetAnswer(backup_id=each.backup_id, store=each.store, problem=each.what)


def _is_sound(copies: Iterable[StoredSet]) -> bool:
    return any(copy.is_sound for copy in copies)


def _warnings(manifest: Manifest, damaged: Iterable[DamagedSet]) -> list[str]:
    return [*manifest.warnings, *(_sentence(each) for each in damaged)]


def _sentence(damaged: DamagedSet) -> str:
    return f"What the {damaged.store} store has of it is damaged: {damaged.what}"


def _components(manifest: Manifest) -> Iterator[tuple[str, Answer]]:
    for record in manifest.components.values():
        match record.component:
            case Component.POSTGRESQL:
                yield (
                    record.component.value,
                    PostgresqlAnswer(
                        size_gb=record.size_gb,
                        checksum=record.checksum,
                        tables_count=_count(record, "tables_count"),
                    ),
                )
            case Component.QDRANT:
                yield (
                    record.component.value,
                    QdrantAnswer(
                        size_gb=record.size_gb,
                        vector_count=_count(record, "vector_count"),
                        collections_count=_count(record, "collections_count"),
                    ),
                )
            case Component.VOLUMES:
                yield from _volumes(record)


def _volumes(record: ComponentRecord) -> Iterator[tuple[str, VolumeAnswer]]:
    """Each by its name; one that is called like another component has a prefix."""
    for name in dict.fromkeys(each.name for each in record.objects):
        sealed = sum(each.sealed_bytes for each in record.objects if each.name == name)
        taken = name in {Component.POSTGRESQL, Component.QDRANT}
        yield (
            f"volumes/{name}" if taken else name,
            VolumeAnswer(
                volume_name=name,
                size_gb=sealed / BYTES_PER_GB,
                file_count=_count(record, f"volume.{name}.files"),
            ),
        )


def _count(record: ComponentRecord, name: str) -> int | None:
    value = record.summary.get(name)
    return value if isinstance(value, int) else None
