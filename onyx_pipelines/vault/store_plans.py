"""Each store's retention plan, made from what that store really holds. Pure.

What is only in one store, or is whole only there, takes no place of a set in another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from onyx_pipelines.vault.retention import RetentionPlan, RetentionPolicy, SetRecord, plan
from onyx_pipelines.vault.set_view import SetView


def store_plans(
    views: Iterable[SetView],
    policy: RetentionPolicy,
    *,
    stores: Collection[str],
    now: datetime,
    made: str = "",
    own: Mapping[str, RetentionPolicy] | None = None,
) -> dict[str, RetentionPlan]:
    """Store → its plan.

    Args:
        views: all that was found, whole or not.
        made: id of the set that this run has made.
        own: store → the policy of those that have another than `policy`.
    """
    records: dict[str, list[SetRecord]] = {store: [] for store in stores}
    for view in views:
        for copy in view.copies:
            records[copy.store].append(view.record(copy, made=made))
    policies = own or {}
    return {
        store: plan(of_store, policies.get(store, policy), now=now)
        for store, of_store in records.items()
    }
