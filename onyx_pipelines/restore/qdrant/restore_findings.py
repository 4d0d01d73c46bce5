"""What a real restore of Qdrant says of putting in place, beside what the comparison found."""

from __future__ import annotations

from typing import Final

from onyx_pipelines.errors import OnyxError, SourceError
from onyx_pipelines.restore.results import Finding
from onyx_pipelines.restore.verdict import Verdict
from onyx_pipelines.sources.source import Component

_IN_PLACE: Final = "in place"
_AS_IT_WAS: Final = "what was there is as it was."


def in_place(collection: str, what: str) -> Finding:
    return _finding(Verdict.PASSED, collection, f"Put in place: {what}.")


def is_in_place(finding: Finding) -> bool:
    return finding.aspect == _IN_PLACE and finding.verdict is Verdict.PASSED


def is_not_in_place(finding: Finding) -> bool:
    return finding.aspect == _IN_PLACE and finding.verdict is not Verdict.PASSED


def not_in_place(collection: str) -> Finding:
    said = f"Not put in place: collection {collection}; {_AS_IT_WAS}"
    return _finding(Verdict.FAILED, collection, said)


def not_restored(item: str, error: OnyxError) -> Finding:
    """It can be tried again. What is damaged, or half done, failed."""
    if isinstance(error, SourceError):
        said = f"Not restored: {error.what} {_AS_IT_WAS[0].upper()}{_AS_IT_WAS[1:]} {error.remedy}"
        return _finding(Verdict.COULD_NOT_VERIFY, item, said)
    return _finding(Verdict.FAILED, item, f"Not restored: {error.what} {error.remedy}")


def nothing_to_restore() -> Finding:
    said = "The set has no collections: nothing was restored."
    return _finding(Verdict.PASSED, Component.QDRANT, said)


def _finding(verdict: Verdict, item: str, message: str) -> Finding:
    return Finding(verdict=verdict, item=item, aspect=_IN_PLACE, message=message)
