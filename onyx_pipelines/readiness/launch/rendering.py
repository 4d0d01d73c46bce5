"""A review as data for programs."""

from __future__ import annotations

from typing import Any

from onyx_pipelines.readiness.launch.checklist import Checklist, Item
from onyx_pipelines.readiness.launch.verdicts import ItemResult, LaunchReview


def as_json(review: LaunchReview, asked: Checklist) -> dict[str, Any]:
    """For programs."""
    results = [pair for section in asked.sections for pair in review.of(section)]
    return {
        "at": review.at,
        "stack": review.stack,
        "commit": review.commit,
        "verdict": review.verdict(asked).value,
        "is_ready": review.is_ready(asked),
        "sentence": review.gist(asked),
        "blockers": [item.id for item, _ in review.blockers(asked)],
        "sections": [
            {
                "section": section.id,
                "title": section.title,
                "passed": progress.passed,
                "failed": progress.failed,
                "could_not_verify": progress.could_not_verify,
            }
            for section in asked.sections
            for progress in [review.progress(section)]
        ],
        "items": [_item(item, result) for item, result in results],
    }


def _item(item: Item, result: ItemResult) -> dict[str, Any]:
    return {
        "item": item.id,
        "asks": item.asks,
        "owner": item.owner.value,
        "blocks": item.blocks,
        "verification": item.verification.kind,
        "verdict": result.verdict.value,
        "found": result.found,
        "at": result.at,
        "expires_at": result.expires_at,
    }
