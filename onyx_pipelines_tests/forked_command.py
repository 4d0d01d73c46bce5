"""The command line as a process of its own, without the half second that loading it takes.

A server of the standard library, which has the libraries and the domain code loaded, forks it.
What Python itself reads when it starts (`PYTHONIOENCODING`) needs a start: `COMMAND` is that.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path

from onyx_pipelines.cli import main

_LOADED = (
    "boto3",
    "rich.table",
    "typer.main",
    "onyx_pipelines.backup.verifying",
    "onyx_pipelines.backup.whole_backup",
    "onyx_pipelines.restore.whole_restore",
    "onyx_pipelines.sources.qdrant.qdrant_source",
    __name__,
)
_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(list(_LOADED))


def run_forked(*arguments: str, timeout_s: float) -> tuple[int, str, str]:
    """Exit code, output, errors of the command, in this process's environment and directory.

    Raises:
        TimeoutError: it ran longer; it is killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = _FORKING.Process(
            target=_become,
            args=(arguments, dict(os.environ), Path.cwd(), output, errors),
        )
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{arguments} took longer than {timeout_s} s")
        code = process.exitcode
        process.close()
        return code, output.read_text("utf-8"), errors.read_text("utf-8")


def stop_forking() -> None:
    """The servers of the standard library, and their socket's directory: when the interpreter ends
    them, the session's directory around that is gone."""
    # The standard library has no public way; its own tests end it so.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]  # the standard library's own, for its end
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]  # the standard library's own, for its end
    util._exit_function()


def _become(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    directory: Path,
    output: Path,
    errors: Path,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    for descriptor, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    sys.argv = ["onyx", *arguments]
    main()
