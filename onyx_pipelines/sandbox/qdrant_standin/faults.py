"""What can be made to break at run time (PUT /standin/faults): what breaks in production too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from onyx_pipelines.sandbox.qdrant_standin.filters import Json


@dataclass(frozen=True)
class Faults:
    """All off by default.

    Args:
        create_delay_s: creating a snapshot takes this long more.
        create_linger_s: it answers this much later after what it holds was decided.
        create_status: creating a snapshot answers this instead (500, 429, 403 …).
        cut_archive: new snapshots lack their end, and their checksum is of what there is.
        cut_download_after: a download ends after this many bytes, `cut_times` times.
        stall_download_after: a download stands still after this many bytes.
        null_checksum: descriptions have no checksum, as with S3 snapshot storage.
        wrong_checksum: descriptions have a checksum of other bytes.
        compress_download: "gzip" although the client asked for identity.
        delete_status: deleting a snapshot answers this instead.
        recover_delay_s: putting a snapshot into a collection takes this long more.
        disk_bytes: how large the disk is on which everything stands; it is full while a snapshot
            is unpacked, which takes 1.4 times its size beside the uploaded file.
        metrics_status: /metrics answers this.
        recovery_mode: the server says that it is in it.
        remote_shards: shards that another node is said to have.
        local_state, remote_state: what the shards of this node and of the other one are said to be.
        replica_lag_s: another node has a replica of each collection, which takes over so late what
            was restored, and does not know from the start that it must; until then it answers
            searches with what it has, which is nothing.
        custom_sharding: collections that are said to be sharded by keys of their own.
        collection_status: what collections are said to be that would be green; a grey one, until
            something of it is changed.
        indexing_s: a collection is yellow for so long after a snapshot was put into it, and more
            and more of its vectors are said to be indexed.
        hidden_points: so many points of every collection are told as waiting for their index, and
            shown by no read.
        hidden_s: for so long after a snapshot was put into it; None: always.
        busy_times: so many requests are answered with 429 first, and when to come again.
        busy_path: of those whose path has this in it.
        all_status: every request answers this.
        all_delay_s: every request is answered this much later.
        all_cpu_s: every request takes this much CPU time.
        echo_headers: errors repeat the request's headers, as some proxies do.
    """

    create_delay_s: float = 0
    create_linger_s: float = 0
    create_status: int | None = None
    cut_archive: bool = False
    cut_download_after: int | None = None
    cut_times: int = 1_000_000
    stall_download_after: int | None = None
    null_checksum: bool = False
    wrong_checksum: bool = False
    compress_download: Literal["gzip"] | None = None
    delete_status: int | None = None
    recover_delay_s: float = 0
    disk_bytes: int | None = None
    metrics_status: int | None = None
    recovery_mode: bool = False
    remote_shards: tuple[int, ...] = ()
    local_state: str = "Active"
    remote_state: str = "Active"
    replica_lag_s: float = 0
    custom_sharding: tuple[str, ...] = ()
    collection_status: Mapping[str, Literal["yellow", "grey", "red"]] = field(default_factory=dict)
    indexing_s: float = 0
    hidden_points: int = 0
    hidden_s: float | None = None
    busy_times: int = 0
    busy_path: str = "/snapshots"
    all_status: int | None = None
    all_delay_s: float = 0
    all_cpu_s: float = 0
    echo_headers: bool = False


def with_faults(
    faults: Faults, name: str, info: Json, *, is_changed: bool, restored_s: float
) -> Json:
    """What a collection tells of itself, with what is injected for that.

    Args:
        is_changed: since the faults were injected.
        restored_s: how long ago a snapshot was put into it.
    """
    if name in faults.custom_sharding:
        params = {**info["config"]["params"], "sharding_method": "custom"}
        info = {**info, "config": {**info["config"], "params": params}}
    hidden = hidden_points(faults, restored_s)
    if hidden:
        info = {**info, "update_queue": {"length": 0, "deferred_points": hidden}}
    if restored_s < faults.indexing_s:
        indexed = int(info["indexed_vectors_count"] * restored_s / faults.indexing_s)
        info = {**info, "status": "yellow", "indexed_vectors_count": indexed}
    status = faults.collection_status.get(name)
    if status is None or (status == "grey" and is_changed):
        return info
    optimizer = {"error": "injected fault"} if status == "red" else info["optimizer_status"]
    return {**info, "status": status, "optimizer_status": optimizer}


def hidden_points(faults: Faults, restored_s: float) -> int:
    """Of a collection that was restored so long ago."""
    lasts = faults.hidden_s is None or restored_s < faults.hidden_s
    return faults.hidden_points if lasts else 0


def replica_state(faults: Faults, since_s: float) -> str:
    """Of a replica on the other node, so long after the collection was restored."""
    if since_s >= faults.replica_lag_s:
        return faults.remote_state
    return "Active" if since_s < faults.replica_lag_s / 3 else "Partial"
