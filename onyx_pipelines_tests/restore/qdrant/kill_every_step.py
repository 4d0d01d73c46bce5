"""A program: one restore of a collection, killed at its first step, then at its second, and so on.

Until the collection is put in place a kill leaves its old points. From then on its new points are
there, if not under its name then beside it; and the same restore, run again, leaves the new points,
the alias, and nothing else, not even a file on the server's disk. Prints how many kills there were.

Arguments: a directory, the server's URL and API key, the collection, which has 20 points and an
alias, and the directory of the server's snapshots, or "" for another host's.
"""

from __future__ import annotations

import sys
from pathlib import Path

from qdrant_client import QdrantClient

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sources.qdrant.collection_api import CollectionApi
from onyx_pipelines.sources.qdrant.snapshot_api import SnapshotApi
from onyx_pipelines_tests.fixtures_qdrant import QdrantServer
from onyx_pipelines_tests.restore.killing import at_measured_steps, kill_at_every_step
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets

_NEW, _OLD = 20, 17
# What changes the server while data is put in place. Uploads are steps of the clock.
_CHANGES = (
    (CollectionApi, "delete"),
    (CollectionApi, "change_aliases"),
    (SnapshotApi, "delete"),
)


def main() -> None:
    root, url, api_key, name, snapshots = Path(sys.argv[1]), *sys.argv[2:6]
    for folder in ("state", "store"):
        (root / folder).mkdir(mode=0o700)
    server = QdrantServer(url, api_key, QdrantClient(url=url, api_key=api_key or None))
    sets = QdrantSets(root, server)
    before, aliases = sets.collections(), server.request("GET", "/aliases")
    objects = sets.of(name)

    def restore() -> None:
        result = sets.restore(objects)
        assert result.verdict is Verdict.PASSED, result.problems()

    def reset() -> None:
        server.client.delete(name, [1, 2, 3], wait=True)
        assert sets.count(name) == _OLD

    def counts() -> set[int]:
        """Of the collection, and of what is beside it."""
        beside = sets.collections() - before
        return {sets.count(each) for each in {name, *beside} & sets.collections()}

    def kept_files() -> list[Path]:
        return sorted(Path(snapshots).rglob("*.snapshot")) if snapshots else []

    def killed() -> None:
        assert counts() & {_NEW, _OLD}, counts()

    def restored() -> None:
        assert sets.count(name) == _NEW
        assert sets.collections() == before, sets.collections() - before
        left = list((root / "state" / "restores").iterdir())
        assert left == [], left
        assert server.request("GET", "/aliases") == aliases
        assert kept_files() == kept

    kept = kept_files()
    kill_at_every_step(
        restore, at_measured_steps(*_CHANGES), reset=reset, killed=killed, restored=restored
    )


if __name__ == "__main__":
    main()
