"""What a drill of Qdrant says where there is nothing to compare."""

from __future__ import annotations

from onyx_pipelines.errors import IntegrityError, NotFoundError
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.source import Component


def damaged(item: str, error: IntegrityError | NotFoundError) -> Finding:
    return Finding(verdict=Verdict.FAILED, item=item, aspect="archive", message=error.what)


def nothing_to_restore() -> Finding:
    return Finding(
        verdict=Verdict.COULD_NOT_VERIFY,
        item=Component.QDRANT,
        aspect="archive",
        message="The set has no collections.",
    )


def no_room(item: str, place: str, shortage_bytes: int) -> Finding:
    return Finding(
        verdict=Verdict.COULD_NOT_VERIFY,
        item=item,
        aspect="room",
        message=f"Scratch in {place} is {shortage_bytes:,} bytes too small to restore it.",
    )
