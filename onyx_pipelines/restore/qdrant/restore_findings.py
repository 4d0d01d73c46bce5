"""What a real restore of Qdrant says of putting in place, beside what the comparison found."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.errors import OnyxError, SourceError
from onyx_pipelines.restore.engine import outcome
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.source import Component

_AS_IT_WAS: Final = "what was there is as it was."


def not_restored(item: str, error: OnyxError) -> Finding:
    """It can be tried again. What is damaged, or half done, failed."""
    if isinstance(error, SourceError):
        said = f"Not restored: {error.what} {_AS_IT_WAS[0].upper()}{_AS_IT_WAS[1:]} {error.remedy}"
        return outcome(Verdict.COULD_NOT_VERIFY, item, said)
    return outcome(Verdict.FAILED, item, f"Not restored: {error.what} {error.remedy}")


def nothing_to_restore() -> Finding:
    said = "The set has no collections: nothing was restored."
    return outcome(Verdict.PASSED, Component.QDRANT, said)
