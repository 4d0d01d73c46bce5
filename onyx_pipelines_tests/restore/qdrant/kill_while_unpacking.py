"""A program: a restore of a collection, killed while the server unpacks what was uploaded.

The server goes on with it. The same restore, run again, leaves the collection as it was in the set,
and nothing else, not even a file on the server's disk. Prints how many files the kill left there.

Arguments: a directory, the stand-in's directory, and the collection, which has 20 points.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from qdrant_client import QdrantClient

from onyx_pipelines.core.verdict import Verdict
from onyx_pipelines.sandbox.qdrant_server import QdrantStandIn
from onyx_pipelines_tests.fixtures_qdrant import QdrantServer
from onyx_pipelines_tests.restore.qdrant.qdrant_sets import QdrantSets
from onyx_pipelines_tests.restore.qdrant.test_uploaded_files import is_unpacking, kept_files
from onyx_pipelines_tests.waiting import wait_until


def main() -> None:
    root, standin, name = Path(sys.argv[1]), QdrantStandIn.attach(Path(sys.argv[2])), sys.argv[3]
    for folder in ("state", "store"):
        (root / folder).mkdir(mode=0o700)
    sets = QdrantSets(root, QdrantServer(standin.url, "", QdrantClient(url=standin.url)))
    objects = sets.of(name)
    before = (sets.collections(), kept_files(standin))

    standin.set_faults(recover_delay_s=1.5)
    child = os.fork()
    if child == 0:
        sets.restore(objects)
        os._exit(1)
    wait_until(lambda: is_unpacking(standin), "an upload is unpacked")
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    left = set(kept_files(standin)) - set(before[1])

    standin.set_faults()
    result = sets.restore(objects)

    assert result.verdict is Verdict.PASSED, result.problems()
    assert (sets.collections(), kept_files(standin)) == before
    assert list((root / "state" / "restores").iterdir()) == []
    print(len(left))


if __name__ == "__main__":
    main()
