"""What a server says of itself and its collections that a person should know. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_RECOVERY_MODE: Final = re.compile(r"^\w*?app_status_recovery_mode(?:\{.*\})? 1", re.MULTILINE)
# A listener takes writes and answers no searches, as it was set up to.
_WELL: Final = frozenset({"Active", "Listener"})


@dataclass(frozen=True)
class Trouble:
    """`what` is half a sentence."""

    what: str
    remedy: str


def recovery_mode(metrics: str | None) -> list[Trouble]:
    """Whether `/metrics` says so; None where they are not for this key."""
    if metrics is None or _RECOVERY_MODE.search(metrics) is None:
        return []
    return [
        Trouble(
            "the server is in recovery mode: its collections are not loaded",
            "Mend what its log names (most often it lacks memory), and start it without that mode.",
        )
    ]


def refusal(name: str, info: Mapping[str, Any], cluster: Mapping[str, Any]) -> Trouble | None:
    """Why no snapshot of it would be whole, or could be restored."""
    if _is_custom_sharded(info, cluster):
        return Trouble(
            f"the collection {name!r} is sharded by keys of its own: a server takes its snapshot"
            " back, and then cannot read the collection",
            "Back it up by other means, and leave it out (ONYX_QDRANT_COLLECTIONS).",
        )
    elsewhere = shards_elsewhere(cluster)
    if elsewhere:
        return Trouble(
            f"the shards {', '.join(map(str, elsewhere))} of {name!r} are on other nodes of the"
            " cluster only",
            "This backup reads one node. Leave the collection out (ONYX_QDRANT_COLLECTIONS), or let"
            " every shard have a replica on this node.",
        )
    return None


def troubles(name: str, info: Mapping[str, Any], cluster: Mapping[str, Any]) -> list[Trouble]:
    """With a collection that is backed up all the same."""
    found = []
    if info.get("status") == "red":
        optimizer = info.get("optimizer_status")
        why = f" ({optimizer.get('error')})" if isinstance(optimizer, dict) else ""
        found.append(
            Trouble(
                f"the collection {name!r} is red: its optimizer failed{why}",
                "See Qdrant's log; the next write to the collection tries again.",
            )
        )
    if info.get("status") == "grey":
        found.append(
            Trouble(
                f"the collection {name!r} is grey: it waits to be indexed, and is searched slowly",
                "Any write starts it, an empty change of the collection's optimizers too.",
            )
        )
    unwell = {f"{number} is {state}" for number, state in _replicas(cluster) if state not in _WELL}
    if unwell:
        found.append(
            Trouble(
                f"of the collection {name!r} not every replica is active: shard"
                f" {', '.join(sorted(unwell))}",
                "See the nodes of the cluster and their logs.",
            )
        )
    return found


def withheld(info: Mapping[str, Any]) -> int:
    """Updates that are taken and not applied yet, and points that are there and hidden until they
    are indexed (`prevent_unoptimized`): a snapshot has both, and no answer shows them."""
    queue = info.get("update_queue") or {}
    return int(queue.get("length") or 0) + int(queue.get("deferred_points") or 0)


def shards_elsewhere(cluster: Mapping[str, Any]) -> list[int]:
    """Shards that live on other nodes only: this node's snapshot does not hold them."""
    here = {shard["shard_id"] for shard in cluster["local_shards"]}
    return sorted({shard["shard_id"] for shard in cluster["remote_shards"]} - here)


def all_active(cluster: Mapping[str, Any]) -> bool:
    """Whether every replica answers as the others do, and none is on its way."""
    return not cluster.get("shard_transfers") and all(
        state in _WELL for _, state in _replicas(cluster)
    )


def _replicas(cluster: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Shard and state of each."""
    shards = [*cluster["local_shards"], *cluster["remote_shards"]]
    return [(each["shard_id"], str(each.get("state", "Active"))) for each in shards]


def _is_custom_sharded(info: Mapping[str, Any], cluster: Mapping[str, Any]) -> bool:
    by_keys = any(each.get("shard_key") is not None for each in cluster["local_shards"])
    return by_keys or is_sharded_by_keys(info["config"])


def is_sharded_by_keys(config: Mapping[str, Any]) -> bool:
    """Of its own: a server that gets such a snapshot back cannot read the collection, and ends."""
    return bool(config["params"].get("sharding_method") == "custom")
