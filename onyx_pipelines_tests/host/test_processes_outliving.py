"""A child program does not outlive us: not even when we are killed without a chance to say so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from onyx_pipelines_tests.waiting import wait_until

_KILLED_WHILE_READING = """
import os, signal
from onyx_pipelines.host.processes import output_of

script = "echo $$; exec yes"
command = ["/bin/sh", "-c", script]
with output_of(command, environment=os.environ, stall_timeout_s=10) as output:
    print(output.read().split()[0].decode(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def _is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(") ")[2][0] not in "ZX"


def test_a_program_ends_at_its_next_write_after_we_were_killed() -> None:
    reader = subprocess.run(
        [sys.executable, "-c", _KILLED_WHILE_READING], check=False, capture_output=True
    )
    child = int(reader.stdout)

    assert reader.returncode == -9
    wait_until(lambda: not _is_running(child), "the program ends")
