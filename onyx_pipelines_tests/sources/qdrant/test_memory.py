"""Memory does not grow with the size of a snapshot."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from qdrant_client import models

from onyx_pipelines_tests.fixtures_qdrant import DIMENSIONS, MakeCollection, QdrantServer

_PROGRAM = """
import hashlib
import sys
from contextlib import contextmanager
from pathlib import Path
from pydantic import SecretStr
from onyx_pipelines.core.progress import silent
from onyx_pipelines.sources.qdrant import QdrantSource

class Discarded:
    def __init__(self):
        self.digest = hashlib.sha256()

    def write(self, data, /):
        self.digest.update(data)
        return len(data)

    def sha256(self):
        return self.digest.hexdigest()

class DiscardingSink:
    @contextmanager
    def object(self, path, *, name, media_type, compression_level=1):
        yield Discarded()

url, key, collection, state_dir = sys.argv[1:]
source = QdrantSource(
    url, state_dir=Path(state_dir), api_key=SecretStr(key), collections=[collection],
    sample_points=0,  # A sample takes the memory of its points, whatever the snapshot's size.
)
print(source.back_up(DiscardingSink(), silent).summary["snapshot_bytes"])
# Not getrusage, whose peak includes the process that we were forked from.
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""
_MB = 1_000_000


def _fill(server: QdrantServer, collection: str, *, megabytes: int) -> None:
    chance = random.Random(7)
    for number in range(100, 100 + megabytes // 2):
        # Incompressible: the engine compresses payloads.
        filling = {"filling": chance.randbytes(_MB).hex()}
        point = models.PointStruct(id=number, vector=[1.0] * DIMENSIONS, payload=filling)
        server.client.upsert(collection, points=[point], wait=True)


def _backed_up(server: QdrantServer, collection: str, state_dir: Path) -> tuple[int, int]:
    """Size of the snapshot, and peak memory of the process that read it, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, server.url, server.api_key, collection, str(state_dir)],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
    )
    size, peak = (int(line) for line in done.stdout.split())
    return size, peak


@pytest.mark.thorough
def test_peak_memory_is_the_same_for_a_snapshot_of_four_times_the_size(
    qdrant_server: QdrantServer, make_collection: MakeCollection, tmp_path: Path
) -> None:
    small, large = make_collection(), make_collection()
    _fill(qdrant_server, small, megabytes=30)
    _fill(qdrant_server, large, megabytes=130)

    small_bytes, small_peak = _backed_up(qdrant_server, small, tmp_path)
    large_bytes, large_peak = _backed_up(qdrant_server, large, tmp_path)

    assert large_bytes > small_bytes + 80 * _MB
    assert max(small_peak, large_peak) < 200 * _MB
    assert large_peak - small_peak < 20 * _MB
