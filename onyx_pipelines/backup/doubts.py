"""Is a new set at least what the last ones were? Pure: records in, doubts out.

What is found stands in the set's manifest. Retention lets a set in doubt displace no good one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from onyx_pipelines.backup.size_plausibility import SizeVerdict
from onyx_pipelines.core.text import moment_text
from onyx_pipelines.sources.source import ALIAS
from onyx_pipelines.vault.manifest import ComponentRecord, Doubt, DoubtKind, Manifest

_FACTS = "facts/"
# For how long a volume that is empty is told from what it held.
_REMEMBERED: Final = timedelta(days=7)


def find_doubts(
    records: Sequence[ComponentRecord],
    sizes: Iterable[SizeVerdict],
    *,
    left_out: Iterable[str],
    earlier: Sequence[Manifest],
) -> tuple[Doubt, ...]:
    """In what a set is less than those before it.

    Args:
        sizes: the verdicts on its components.
        left_out: components that it was asked to leave out, which is no doubt.
        earlier: the sets before it, newest first.
    """
    previous = next((each for each in earlier if not each.missing_components), None)
    doubts = [Doubt(kind=DoubtKind.SIZE, what=each.reason) for each in sizes if not each.ok]
    lost = _lost_sources(records, left_out, previous) if previous else []
    lost += _lost_aliases(records, previous) if previous else []
    if previous and lost:
        what = f"{', '.join(lost)}: missing, though in the set of {moment_text(previous.timestamp)}"
        doubts.append(Doubt(kind=DoubtKind.SOURCES, what=what))
    held = _sources(record for each in earlier for record in each.components.values())
    unread = [f"{component} {name}" for component, name in sorted(_missing(records) & held)]
    if unread:
        what = f"{', '.join(unread)}: could not be backed up, though an earlier set has it"
        doubts.append(Doubt(kind=DoubtKind.SOURCES, what=what))
    emptied = _emptied_volumes(records, earlier)
    doubts += [Doubt(kind=DoubtKind.SOURCES, what=what) for what in emptied]
    return tuple(doubts)


def _lost_sources(
    records: Sequence[ComponentRecord], left_out: Iterable[str], previous: Manifest
) -> list[str]:
    """Databases, collections and volumes that are gone, such as "qdrant documents"."""
    unasked = frozenset(left_out)
    before = _sources(previous.components.values()) - _sources(records) - _missing(records)
    return [f"{component} {name}" for component, name in sorted(before) if component not in unasked]


def _lost_aliases(records: Iterable[ComponentRecord], previous: Manifest) -> list[str]:
    """Such as "qdrant alias live": applications ask for the name, and no snapshot has it."""
    return [
        f"{record.component.value} {ALIAS.strip('.')} {key.removeprefix(ALIAS)}"
        for record in records
        if (before := previous.component(record.component)) is not None
        for key in before.summary
        if key.startswith(ALIAS) and key not in record.summary
    ]


def _emptied_volumes(
    records: Iterable[ComponentRecord], earlier: Sequence[Manifest]
) -> Iterator[str]:
    """An empty one may be one that is not mounted. Said of each set for a while: what is empty for
    good becomes normal."""
    recent = [each for each in earlier if earlier[0].timestamp - each.timestamp < _REMEMBERED]
    for record in records:
        for key, files in record.summary.items():
            if not key.startswith("volume.") or not key.endswith(".files") or files:
                continue
            of_sets = ((each, each.component(record.component)) for each in recent)
            filled = next((each for each, of in of_sets if of and of.summary.get(key)), None)
            if filled is not None:
                name = key.removeprefix("volume.").removesuffix(".files")
                when = moment_text(filled.timestamp)
                yield f"volume {name}: empty, though not in the set of {when}"


def _sources(records: Iterable[ComponentRecord]) -> set[tuple[str, str]]:
    return {
        (item.component.value, item.name)
        for record in records
        for item in record.objects
        if not item.key.startswith(_FACTS)
    }


def _missing(records: Iterable[ComponentRecord]) -> set[tuple[str, str]]:
    """What is there and could not be backed up."""
    return {(record.component.value, name) for record in records for name in record.missing}
