"""Memory does not grow with the size of what is sealed and unsealed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

_PROGRAM = """
import os, sys
from pathlib import Path
from onyx_pipelines.sources.source import Component
from onyx_pipelines.vault.verification import verify
from onyx_pipelines.vault.writing import SetWriter
from onyx_pipelines_tests.vault.sets import (
    BEGAN, complete, make_key, make_store, new_id, report, signers
)

folder, mib, kind = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
block = os.urandom(1 << 20) if kind == "random" else bytes(1 << 20)
pair, store, backup_id = make_key(folder), make_store(folder / "store"), new_id()
writer = SetWriter(store, backup_id, [pair.recipient])
sink = writer.component(Component.POSTGRESQL)
with sink.object("postgresql/onyx.dump", name="onyx", media_type="x/y") as stream:
    for _ in range(mib):
        stream.write(block)
sink.finish(report(Component.POSTGRESQL), BEGAN)
manifest = complete(writer, Component.POSTGRESQL)
assert verify(store, backup_id, pair.private, deep=True, signers=signers()).ok
print(manifest.plain_bytes, manifest.sealed_bytes)
# Not getrusage, whose peak includes the process that we were forked from.
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""


@dataclass(frozen=True)
class Run:
    plain_bytes: int
    sealed_bytes: int
    peak_mib: float


def seal_and_unseal(folder: Path, mib: int, kind: str) -> Run:
    folder.mkdir()
    command = [sys.executable, "-c", _PROGRAM, str(folder), str(mib), kind]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    plain, sealed, peak = output.split()
    return Run(int(plain), int(sealed), float(peak))


@pytest.mark.parametrize("kind", ["random", "zeros"])
def test_four_times_the_bytes_need_the_same_memory(tmp_path: Path, kind: str) -> None:
    small = seal_and_unseal(tmp_path / "small", 64, kind)
    large = seal_and_unseal(tmp_path / "large", 256, kind)

    assert large.plain_bytes == 4 * small.plain_bytes == 256 << 20
    assert large.peak_mib < 150
    assert abs(large.peak_mib - small.peak_mib) < 16


def test_random_bytes_are_stored_whole_so_that_the_first_test_means_something(
    tmp_path: Path,
) -> None:
    run = seal_and_unseal(tmp_path / "run", 8, "random")

    assert run.sealed_bytes >= run.plain_bytes
