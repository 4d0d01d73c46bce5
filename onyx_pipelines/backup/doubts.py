"""Is a new set at least what the last ones were? Pure: records in, doubts out.

What is found stands in the set's manifest. Retention lets a set in doubt displace no good one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onyx_pipelines.backup.size_plausibility import SizeVerdict
from onyx_pipelines.sources.source import ALIAS
from onyx_pipelines.vault.manifest import ComponentRecord, Doubt, DoubtKind, Manifest

_FACTS = "facts/"


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
        what = (
            f"{', '.join(lost)}: missing, though in the set of {previous.timestamp:%Y-%m-%d %H:%M}"
        )
        doubts.append(Doubt(kind=DoubtKind.SOURCES, what=what))
    held = _sources(record for each in earlier for record in each.components.values())
    unread = [f"{component} {name}" for component, name in sorted(_missing(records) & held)]
    if unread:
        what = f"{', '.join(unread)}: could not be backed up, though an earlier set has it"
        doubts.append(Doubt(kind=DoubtKind.SOURCES, what=what))
    emptied = _emptied_volumes(records, previous) if previous else []
    if previous and emptied:
        what = (
            f"{', '.join(emptied)}: empty, though not in the set of"
            f" {previous.timestamp:%Y-%m-%d %H:%M}"
        )
        doubts.append(Doubt(kind=DoubtKind.SOURCES, what=what))
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


def _emptied_volumes(records: Iterable[ComponentRecord], previous: Manifest) -> list[str]:
    """An empty one may be one that is not mounted."""
    return [
        f"volume {key.removeprefix('volume.').removesuffix('.files')}"
        for record in records
        if (before := previous.component(record.component)) is not None
        for key, files in record.summary.items()
        if key.startswith("volume.") and key.endswith(".files") and not files
        if before.summary.get(key)
    ]


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
