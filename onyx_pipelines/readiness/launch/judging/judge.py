"""What the facts say of an item: the same on any machine, at any time that is given.

What is too old, dated ahead, or of another form proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from onyx_pipelines.core.text import duration_text, limit_text
from onyx_pipelines.readiness.launch import facts as seen
from onyx_pipelines.readiness.launch import verification as way
from onyx_pipelines.readiness.launch.checklist import Checklist, Item
from onyx_pipelines.readiness.launch.judging.judgement import Judgement, unknown
from onyx_pipelines.readiness.launch.judging.of_host import of_compose, of_host, of_ports
from onyx_pipelines.readiness.launch.judging.of_records import (
    of_doctor,
    of_evidence,
    of_health,
    of_record,
    of_settings,
)
from onyx_pipelines.readiness.launch.judging.of_servers import (
    of_certificate,
    of_database,
    of_endpoint,
    of_metrics,
    of_playbooks,
)
from onyx_pipelines.readiness.launch.verdicts import UNABLE, Facts, ItemResult, LaunchReview
from onyx_pipelines.vault.set_view import is_ahead

_Rule = Callable[[Any, Any, datetime], Judgement]
# By the kind of the item: the form of its facts, and what is made of them.
RULES: Final[dict[type[BaseModel], tuple[type[BaseModel], _Rule]]] = {
    way.Manual: (seen.SeenEvidence, of_evidence),
    way.OfHealth: (seen.SeenHealth, of_health),
    way.OfMetrics: (seen.SeenFigure, of_metrics),
    way.OfDatabase: (seen.SeenFigure, of_database),
    way.OfDoctor: (seen.SeenChecks, of_doctor),
    way.OfSettings: (seen.SeenSettings, of_settings),
    way.OfRecord: (seen.SeenRecord, of_record),
    way.OfEndpoint: (seen.SeenEndpoint, of_endpoint),
    way.OfCertificate: (seen.SeenCertificate, of_certificate),
    way.OfPorts: (seen.SeenPorts, of_ports),
    way.OfCompose: (seen.SeenCompose, of_compose),
    way.OfHost: (seen.SeenFigure, of_host),
    way.OfPlaybooks: (seen.SeenPages, of_playbooks),
}


def judge(item: Item, facts: Facts, now: datetime) -> ItemResult:
    """What `facts` say of `item` at `now`."""
    judged = _judgement(item, facts, now)
    ends = [each for each in (_counts_until(item, facts), judged.until) if each is not None]
    return ItemResult(
        item_id=item.id,
        verdict=judged.verdict,
        found=judged.found,
        at=facts.at,
        expires_at=min(ends, default=None),
        evidence=facts.seen,
    )


def judge_again(review: LaunchReview, asked: Checklist, now: datetime) -> LaunchReview:
    """The facts of a review as they are to be judged now: what has expired is not known."""
    results = {each.item_id: each for each in review.results}
    return review.model_copy(
        update={
            "results": tuple(
                judge(item, results[item.id].facts, now)
                for item in asked.items
                if item.id in results
            )
        }
    )


def _counts_until(item: Item, facts: Facts) -> datetime | None:
    if item.holds_for is None:
        return None
    try:
        return facts.at + item.holds_for
    except OverflowError:  # facts that were brought may have any date
        return facts.at


def _judgement(item: Item, facts: Facts, now: datetime) -> Judgement:
    if UNABLE in facts.seen:
        return unknown(str(facts.seen[UNABLE]))
    if is_ahead(facts.at, now):
        return unknown("It is dated ahead: the clock was wrong then, or is now.")
    until = _counts_until(item, facts)
    if item.holds_for is not None and until is not None and now > until:
        age = duration_text((now - facts.at).total_seconds())
        counts = limit_text(item.holds_for.total_seconds())
        return unknown(f"It was looked at {age} ago, and counts for {counts}.")
    form, rule = RULES[type(item.verification)]
    try:
        return rule(item.verification, form.model_validate(facts.seen), now)
    except (ValidationError, OverflowError):
        return unknown("What was looked at has another form than this version's.")
