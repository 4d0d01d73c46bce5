"""`docker` of the sandbox's host, as far as playbooks type it: what it says is so of the sandbox's
servers, which are processes, or containers that no Compose has made.

`python -m onyx_pipelines.sandbox.game_days.docker_command DIRECTORY compose up --detach qdrant`
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from onyx_pipelines.core.errors import OnyxError
from onyx_pipelines.core.text import size_text
from onyx_pipelines.host.background import tail_of
from onyx_pipelines.load_test.telemetry.process_usage import (
    parents_of_all,
    tree_of,
    usage_of_process,
)
from onyx_pipelines.sandbox.game_days.compose import ComposeService, services_of, unused_images
from onyx_pipelines.sandbox.game_days.terminal import sandbox_at

if TYPE_CHECKING:
    from onyx_pipelines.sandbox.stack import Sandbox

_ALL: Final = 1_000_000
_LOOK_S: Final = 0.5
# What a playbook may call it, where Compose calls it otherwise.
_CONTAINERS: Final = {"supabase-db": "postgres"}


class DockerCommand:
    """One call. Every method gives the exit status."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._services = services_of(sandbox)

    def run(self, words: Sequence[str]) -> int:
        """Status 2: the sandbox's `docker` does not know that."""
        given = self.parsed(words)
        command: Callable[[argparse.Namespace], int] = given.run
        return command(given)

    def parsed(self, words: Sequence[str]) -> argparse.Namespace:
        """What is asked for; exits with status 2 where it is not known."""
        return self._parser().parse_args(words)

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog="docker")
        commands = parser.add_subparsers(required=True)
        self._compose(commands.add_parser("compose").add_subparsers(required=True))
        listing = _command(commands, "ps", self._ps)
        listing.add_argument("--all", action="store_true")
        listing.add_argument("--filter", action="append", default=[])
        listing.add_argument("--format", default="")
        stats = _command(commands, "stats", self._stats)
        stats.add_argument("--no-stream", action="store_true", required=True)
        _command(commands.add_parser("system").add_subparsers(required=True), "df", self._df)
        images = commands.add_parser("image").add_subparsers(required=True)
        pruning = _command(images, "prune", self._prune)
        pruning.add_argument("--force", action="store_true", required=True)
        return parser

    def _compose(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        names = list(self._services)
        logs = _command(commands, "logs", self._logs)
        logs.add_argument("--tail", type=int, default=_ALL)
        logs.add_argument("service", choices=names)
        up = _command(commands, "up", self._up)
        up.add_argument("--detach", action="store_true", required=True)
        up.add_argument("service", nargs="?", choices=names)
        for name, command in (("stop", self._stop), ("restart", self._restart)):
            _command(commands, name, command).add_argument("service", choices=names)
        _command(commands, "ps", self._compose_ps).add_argument("--all", action="store_true")
        within = _command(commands, "exec", self._exec)
        within.add_argument("service", choices=names)
        within.add_argument("words", nargs=argparse.REMAINDER)
        once = _command(commands, "run", self._run)
        for option in ("--rm", "--no-deps"):
            once.add_argument(option, action="store_true")
        once.add_argument("--entrypoint", required=True)
        once.add_argument("service", choices=names)
        once.add_argument("words", nargs=argparse.REMAINDER)

    def _logs(self, given: argparse.Namespace) -> int:
        for line in tail_of(self._services[given.service].log, given.tail).splitlines():
            _say(f"{given.service}  | {line}")
        return 0

    def _up(self, given: argparse.Namespace) -> int:
        chosen = [given.service] if given.service else list(self._services)
        for name in chosen:
            service = self._services[name]
            state = "Running" if service.pid else "Started"
            try:
                service.up()
            except OnyxError as error:
                # `--detach` does not wait to see it, and so does not fail for it.
                state = f"Started, and ended: {error.what.splitlines()[0]}"
            _say(f" Container {name}  {state}")
        return 0

    def _stop(self, given: argparse.Namespace) -> int:
        self._services[given.service].server.stop()
        _say(f" Container {given.service}  Stopped")
        return 0

    def _restart(self, given: argparse.Namespace) -> int:
        service = self._services[given.service]
        service.server.stop()
        service.up()
        _say(f" Container {given.service}  Started")
        return 0

    def _compose_ps(self, given: argparse.Namespace) -> int:
        _print_table(
            ("NAME", "SERVICE", "STATUS"),
            [(f"onyx-{e.name}-1", e.name, _status(e)) for e in self._shown(all_=given.all)],
        )
        return 0

    def _ps(self, given: argparse.Namespace) -> int:
        wanted = [each.removeprefix("name=") for each in given.filter]
        found = [
            each
            for each in self._shown(all_=given.all)
            if not wanted or any(_CONTAINERS.get(name, name) in each.name for name in wanted)
        ]
        if given.format:
            for each in found:
                text = given.format.replace("{{.Status}}", _status(each))
                _say(text.replace("{{.Names}}", each.name))
        else:
            _print_table(("NAMES", "STATUS"), [(each.name, _status(each)) for each in found])
        return 0

    def _stats(self, _: argparse.Namespace) -> int:
        before = {each.name: _spent(each) for each in self._services.values()}
        time.sleep(_LOOK_S)
        rows = []
        for each in self._shown(all_=False):
            cpu_s, memory = _spent(each)
            share = 100 * (cpu_s - before[each.name][0]) / _LOOK_S
            rows.append((each.name, f"{share:.1f}%", size_text(memory)))
        _print_table(("NAME", "CPU %", "MEM USAGE"), rows)
        return 0

    def _df(self, _: argparse.Namespace) -> int:
        found = self._unused()
        size = sum(each.stat().st_size for each in found)
        _print_table(
            ("TYPE", "TOTAL", "RECLAIMABLE"), [("Images", str(len(found)), size_text(size))]
        )
        return 0

    def _prune(self, _: argparse.Namespace) -> int:
        freed = 0
        for each in self._unused():
            freed += each.stat().st_size
            each.unlink()
        _say(f"Total reclaimed space: {size_text(freed)}")
        return 0

    def _exec(self, given: argparse.Namespace) -> int:
        service, (program, *words) = self._services[given.service], given.words
        if service.pid is None:
            sys.stderr.write(f'service "{service.name}" is not running\n')
            return 1
        if (service.name, program) == ("nginx", "nginx"):
            command = [str(word) for word in self._sandbox.monitoring.edge.own(*words)]
            return subprocess.run(command, check=False).returncode
        if (service.name, program) == ("postgres", "psql"):
            server = self._sandbox.postgres
            place = {"PGHOST": server.host, "PGPORT": str(server.port)}
            secret = {"PGPASSWORD": server.password}
            environment = {**os.environ, **place, **secret}
            return subprocess.run(["psql", *words], check=False, env=environment).returncode
        sys.stderr.write(f"the sandbox has no {program} in {service.name}\n")
        return 2

    def _run(self, given: argparse.Namespace) -> int:
        folder = self._services[given.service].folder
        return subprocess.run([given.entrypoint, *given.words], check=False, cwd=folder).returncode

    def _shown(self, *, all_: bool) -> list[ComposeService]:
        return [each for each in self._services.values() if all_ or each.pid]

    def _unused(self) -> list[Path]:
        """Images, all of which nothing uses."""
        return sorted(unused_images(self._sandbox).glob("*"))


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name)
    parser.set_defaults(run=run)
    return parser


def _status(service: ComposeService) -> str:
    return "Up" if service.pid else "Exited"


def _spent(service: ComposeService) -> tuple[float, int]:
    """Processor time and memory of it and of what it has started."""
    if service.pid is None:
        return 0.0, 0
    tree = tree_of([service.pid], parents_of_all())
    living = [usage for pid in tree if (usage := usage_of_process(pid)) is not None]
    memory = sum(each.memory_bytes or 0 for each in living)
    return sum(each.cpu_s for each in living), int(memory)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for row in (head, *rows):
        _say("".join(f"{cell:<24}" for cell in row).rstrip())


def main() -> None:
    """As the head of this file says."""
    directory, *words = sys.argv[1:]
    sys.exit(DockerCommand(sandbox_at(directory)).run(words))


if __name__ == "__main__":
    main()
