"""What every drill and restore says in the same words, whatever the component. Pure."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.core.errors import IntegrityError, NotFoundError, OnyxError, SourceError
from onyx_pipelines.core.text import count_text
from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.sources.source import Component

ARCHIVE: Final = "archive"
IN_PLACE: Final = "in place"
_NOUNS: Final = {
    Component.POSTGRESQL: "databases",
    Component.QDRANT: "collections",
    Component.VOLUMES: "volumes",
}


def damaged(item: str, error: IntegrityError | NotFoundError) -> Finding:
    """In the set: nothing of it was restored, or not all."""
    return Finding.failed(item, ARCHIVE, error.what)


def no_room(item: str, place: object, shortage_bytes: int) -> Finding:
    """Scratch was too small: that proves nothing, so it is *could not verify*."""
    said = f"Scratch in {place} is {count_text(shortage_bytes, 'byte')} too small to restore it."
    return Finding.unverified(item, "room", said)


def nothing_there(component: Component) -> Finding:
    """The set has nothing of this component, so that nothing could be verified."""
    return Finding.unverified(component.value, ARCHIVE, f"The set has no {_NOUNS[component]}.")


def outcome(verdict: Verdict, name: str, message: str) -> Finding:
    """Whether an item is in its place."""
    return Finding(verdict=verdict, item=name, aspect=IN_PLACE, message=message)


def not_restored(item: str, error: OnyxError) -> Finding:
    """It can be tried again. What is damaged, or half done, failed."""
    if isinstance(error, SourceError):
        said = f"Not restored: {error.what} What was there is as it was. {error.remedy}"
        return outcome(Verdict.COULD_NOT_VERIFY, item, said)
    return outcome(Verdict.FAILED, item, f"Not restored: {error.what} {error.remedy}")
