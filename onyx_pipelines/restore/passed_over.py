"""Newer sets than the latest that can be taken, and why each was passed over. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from onyx_pipelines.vault.catalog import Scan
from onyx_pipelines.vault.set_view import SetView, is_ahead

_NAMED = 5


def passed_over(chosen: SetView, scans: Iterable[Scan], now: datetime) -> tuple[str, ...]:
    """A sentence for each in each store, the newest first.

    Args:
        chosen: what "latest" came to.
    """
    said = {
        (moment, sentence)
        for scan in scans
        for moment, backup_id, sentence in _not_taken(scan, now)
        if _is_newer(moment, chosen.timestamp) and backup_id != chosen.backup_id
    }
    sentences = [sentence for _, sentence in sorted(said, reverse=True)]
    more = len(sentences) - _NAMED
    named = sentences[:_NAMED]
    return (*named, f"So were {more} more that are newer.") if more > 0 else tuple(named)


def _is_newer(moment: datetime, than: datetime) -> bool:
    """Some stores tell whole seconds only: then also what may be newer by less than that."""
    return moment >= than.replace(microsecond=0) if moment.microsecond == 0 else moment > than


def _not_taken(scan: Scan, now: datetime) -> Iterator[tuple[datetime, str, str]]:
    """When, which, and why it cannot be the latest."""
    for damaged in scan.damaged:
        why = f"it is damaged: {damaged.what}"
        yield damaged.moment, damaged.backup_id, _sentence(damaged.backup_id, damaged.store, why)
    for stranger in scan.untrusted:
        why = f"it is not trusted: {stranger.what}"
        said = _sentence(stranger.backup_id, stranger.store, why)
        yield stranger.written_at, stranger.backup_id, said
    for view in scan.sets:
        if is_ahead(view.timestamp, now):
            why = f"it is dated {view.timestamp:%Y-%m-%d %H:%M} UTC, which is still to come"
            said = _sentence(view.backup_id, " and ".join(view.stores), why)
            yield view.timestamp, view.backup_id, said


def _sentence(backup_id: str, store: str, why: str) -> str:
    return f"The newer set {backup_id} in the {store} store was passed over: {why.rstrip('.')}."
