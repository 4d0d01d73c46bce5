"""A program: a pass of the relay, killed (SIGKILL) before its first write or removal, then before
its second, and so on; each time another process goes on. Prints what was told, a line for each
step. It forks, so it is a program of one thread."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from onyx_pipelines.errors.relay.passes import Relay, Surroundings
from onyx_pipelines.errors.relay.severity import Criteria
from onyx_pipelines.host import record_file
from onyx_pipelines.notify import box
from onyx_pipelines.notify.event import Event
from onyx_pipelines_tests.errors.relay_signals import NOW, Recorder, fatal

_MOST = 60


class Written(Recorder):
    """Its messages are in a file, which a kill leaves as it is."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def send(self, events: Sequence[Event]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{events[-1].subject}\n")


def _relay(folder: Path) -> Relay:
    channel = Written(folder / "told")
    return Relay(folder, [channel], criteria=Criteria(), surroundings=Surroundings())


def _passes(folder: Path, step: int) -> None:
    """In a process of its own."""
    done = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*given: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given, **named)

        return write

    record_file.replace_durably = counted(record_file.replace_durably)  # type: ignore[attr-defined]  # imported there
    box.replace_durably = counted(box.replace_durably)  # type: ignore[attr-defined]  # the same
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]  # for this process only
    _relay(folder).pass_(NOW)


def _is_killed(folder: Path, step: int) -> bool:
    child = os.fork()
    if child == 0:
        _passes(folder, step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(root: Path) -> None:
    for step in range(1, _MOST):
        folder = root / str(step)
        _relay(folder).hear(fatal())
        _relay(folder).hear(fatal("2", type="Other", issue="i-2"))
        was_killed = _is_killed(folder, step)
        for second in range(1, 4):
            child = os.fork()
            if child == 0:
                _relay(folder).pass_(NOW + timedelta(seconds=second))
                os._exit(0)
            os.waitpid(child, 0)
        told = (folder / "told").read_text(encoding="utf-8").splitlines()
        print(json.dumps({"step": step, "was_killed": was_killed, "told": told}))
        if not was_killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
