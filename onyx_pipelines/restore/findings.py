"""What every drill and restore says in the same words, whatever the component. Pure."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.errors import IntegrityError, NotFoundError
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.source import Component

ARCHIVE: Final = "archive"
_NOUNS: Final = {
    Component.POSTGRESQL: "databases",
    Component.QDRANT: "collections",
    Component.VOLUMES: "volumes",
}


def damaged(item: str, error: IntegrityError | NotFoundError) -> Finding:
    """In the set: nothing of it was restored, or not all."""
    return Finding(verdict=Verdict.FAILED, item=item, aspect=ARCHIVE, message=error.what)


def no_room(item: str, place: object, shortage_bytes: int) -> Finding:
    return Finding(
        verdict=Verdict.COULD_NOT_VERIFY,
        item=item,
        aspect="room",
        message=f"Scratch in {place} is {shortage_bytes:,} bytes too small to restore it.",
    )


def nothing_to_drill(component: Component) -> Finding:
    return Finding(
        verdict=Verdict.COULD_NOT_VERIFY,
        item=component.value,
        aspect=ARCHIVE,
        message=f"The set has no {_NOUNS[component]}.",
    )
