"""Looks again, from the machine where a bundle was brought, at what can be looked at from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from onyx_pipelines.backup.host import open_host
from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.settings import Settings
from onyx_pipelines.health.verdict import Area
from onyx_pipelines.readiness.launch import verification as way
from onyx_pipelines.readiness.launch.bundle import Bundle
from onyx_pipelines.readiness.launch.checklist import Checklist, Item, checklist
from onyx_pipelines.readiness.launch.lapses import Lapse, LapseKind
from onyx_pipelines.readiness.launch.reviewing import review
from onyx_pipelines.readiness.launch.verdicts import Verdict

# Servers that have an address. What a host says of itself, only that host can be asked.
_ADDRESSES: Final = (
    way.OfEndpoint,
    way.OfCertificate,
    way.OfPlaybooks,
    way.OfMetrics,
    way.OfDatabase,
)
_OF_STORES: Final = (Area.BACKUPS, Area.DRILLS)
_OF_SERVERS: Final = (Area.SCRAPING, Area.ALERTS)
_RECORDS_IN_STORES: Final = (way.Record.TWO_STORES_VERIFIED, way.Record.STACK_RECIPE)


@dataclass(frozen=True)
class LookedAgain:
    """`unseen`: items that had passed and that cannot be looked at from here."""

    lapses: tuple[Lapse, ...]
    unseen: tuple[str, ...]


def look_again(bundle: Bundle, settings: Settings) -> LookedAgain:
    """What had passed there, by the addresses that this machine's settings have. Nothing is written
    anywhere."""
    asked = checklist(bundle.manifest.thresholds)
    had_passed = [
        item
        for item in asked.items
        if item.is_automatic and bundle.content.review.result(item).verdict is Verdict.PASSED
    ]
    has_sets = _has_sets(settings)
    reached = [item for item in had_passed if _is_reached(item, settings, has_sets=has_sets)]
    here = review(settings, _only(asked, reached))
    results = [here.result(item) for item in reached]
    return LookedAgain(
        lapses=tuple(
            Lapse(
                LapseKind.LIVE,
                f"{each.item_id} had passed, and is not so: {each.found}",
                each.item_id,
            )
            for each in results
            if each.verdict is Verdict.FAILED
        ),
        unseen=tuple(
            item.id
            for item in had_passed
            if item not in reached or here.result(item).verdict is Verdict.COULD_NOT_VERIFY
        ),
    )


def _only(asked: Checklist, items: Sequence[Item]) -> Checklist:
    kept = (
        section.model_copy(update={"items": tuple(each for each in section.items if each in items)})
        for section in asked.sections
    )
    return Checklist(sections=tuple(each for each in kept if each.items))


def _is_reached(item: Item, settings: Settings, *, has_sets: bool) -> bool:
    match item.verification:
        case way.OfHealth(area=area):
            is_asked = area in _OF_SERVERS and bool(settings.prometheus_url)
            return is_asked or (area in _OF_STORES and has_sets)
        case way.OfRecord(of=record):
            return record in _RECORDS_IN_STORES and has_sets
        case asked:
            return isinstance(asked, _ADDRESSES)


def _has_sets(settings: Settings) -> bool:
    """Stores that are not those of the bundle's host would say that there is no backup."""
    try:
        return bool(open_host(settings).catalog.scan().sets)
    except OnyxError:
        return False
