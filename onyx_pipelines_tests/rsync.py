"""What rsync says that differs between two trees: a judge who shares nothing with this program."""

from __future__ import annotations

import subprocess
from pathlib import Path

from onyx_pipelines_tests.requirements_of_tests import program


def differences(wanted: Path, found: Path) -> list[str]:
    """A line for each path of `found` that is missing, too many, or not as in `wanted`: content,
    kind, owner, mode, time to the nanosecond, hard links, access lists, extended attributes."""
    done = subprocess.run(
        [program("rsync"), "-n", "-aHAXS", "--checksum", "--itemize-changes", "--delete",
         "--modify-window=-1", f"{wanted}/", f"{found}/"],
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    # A name may hold a newline, but rsync escapes it.
    return done.stdout.decode("ascii", "backslashreplace").splitlines()
