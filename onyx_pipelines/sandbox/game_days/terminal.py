"""Where the commands of a playbook are typed: a shell on the sandbox's host, whose `docker`,
`certbot` and `openssl` are the sandbox's own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.text import printable
from onyx_pipelines.host.processes import end_group, plain_environment

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.stack import Sandbox

_LIMIT_S: Final = 300.0
_PACKAGE: Final = "onyx_pipelines.sandbox.game_days"
# Command → what Python runs for it.
_COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "docker": ("-m", f"{_PACKAGE}.docker_command", "{sandbox}"),
    "certbot": ("-m", f"{_PACKAGE}.certificates", "{sandbox}", "certbot"),
    "openssl": ("-m", f"{_PACKAGE}.certificates", "{sandbox}", "openssl"),
    "onyx": ("-c", "from onyx_pipelines.cli import main; main()"),
}


@dataclass(frozen=True)
class Said:
    """What came of one command. `exit_status`: None: it did not end in time, and was ended."""

    exit_status: int | None
    output: str
    took_s: float


class Terminal:
    """Of somebody who has signed in to the sandbox's host: its settings, and none of ours."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._folder = commands_of(sandbox)

    def type(self, command: str, *, limit_s: float = _LIMIT_S) -> Said:
        """A line of a shell, with all that it writes.

        Raises:
            NotFoundError: the sandbox was never up.
        """
        self._offer()
        begun = time.monotonic()
        with subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self._sandbox.state_dir,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as shell:
            status: int | None = None
            try:
                output, _ = shell.communicate(timeout=limit_s)
                status = shell.returncode
            except subprocess.TimeoutExpired as error:
                output = error.stdout or b""
            finally:
                end_group(shell)
        lines = "\n".join(map(printable, output.decode(errors="replace").splitlines()))
        return Said(status, lines, time.monotonic() - begun)

    def asked(self, command: str) -> dict[str, Any]:
        """What a command with `--json` answers, whatever it found.

        Raises:
            OnyxError: no JSON, or an error.
        """
        said = self.type(f"{command} 2>/dev/null")
        answer: dict[str, Any] = {}
        with suppress(ValueError):  # told below
            answer = json.loads(said.output)
        if not answer or "error" in answer:
            raise OnyxError(
                f"`{command}` in the sandbox ended with {said.exit_status}: {said.output[-300:]}",
                remedy="Type it in a shell with the settings of `onyx sandbox env`.",
            )
        return answer

    def _environment(self) -> dict[str, str]:
        own = plain_environment()
        path = os.pathsep.join((str(self._folder), own.get("PATH", os.defpath)))
        # Tables that a person could read.
        width = {"COLUMNS": "200", "NO_COLOR": "1"}
        return {**own, **width, **self._sandbox.environment(), "PATH": path}

    def _offer(self) -> None:
        """The commands, each a file that calls Python."""
        self._folder.mkdir(mode=0o755, exist_ok=True)
        for name, words in _COMMANDS.items():
            own = [each.format(sandbox=self._sandbox.state_dir) for each in words]
            text = f'#!/bin/sh\nexec {shlex.join([sys.executable, *own])} "$@"\n'
            path = self._folder / name
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
                path.chmod(0o755)


def commands_of(sandbox: Sandbox) -> Path:
    """Where its own `docker`, `certbot`, `openssl` and `onyx` are."""
    return sandbox.state_dir / "game-day-bin"


def sandbox_at(state_dir: str) -> Sandbox:
    """For a command that is told where it is, and that finds the real ones of their names."""
    from onyx_pipelines.sandbox.stack import Sandbox

    sandbox = Sandbox(Path(state_dir))
    own, path = str(commands_of(sandbox)), os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join(e for e in path.split(os.pathsep) if e != own)
    sandbox.contain()
    return sandbox
