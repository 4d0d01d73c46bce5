"""Ctrl-C, SIGTERM and a closed terminal in the middle of each long command: one line, its
documented exit code, nothing half-listed, nothing left running or locked."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from onyx_pipelines.audit import Trail
from onyx_pipelines.vault.lock import ExclusiveLock
from onyx_pipelines_tests.fixtures_sandbox import COMMAND, HostUnderTest

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

LONG = {
    "backup run": ("backup", "run", "--component", "qdrant"),
    "verify": ("verify", "latest", "--store", "offsite"),
    "drill": ("drill", "latest", "--from", "offsite"),
    "restore": ("restore", "latest", "--from", "offsite", "--confirm", "--no-safety-backup"),
    "prune": ("prune", "--yes"),
    "load-test run": ("load-test", "run", "--profile", "quick"),
    "audit verify": ("audit", "verify"),
    "keys rewrap": ("keys", "rewrap", "--yes"),
    "keys sign": ("keys", "sign", "--yes"),
    "catalog recover-versions": ("catalog", "recover-versions", "--yes"),
    "doctor": ("doctor",),
}


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


@pytest.fixture
def host(volume_host: HostUnderTest, silent: socket.socket) -> HostUnderTest:
    """With one set, and a second store, a Qdrant and an application that answer nothing."""
    volume_host.run()
    address = f"http://127.0.0.1:{silent.getsockname()[1]}"
    volume_host.set(
        OFFSITE_URL="s3://bucket/prefix",
        S3_ENDPOINT_URL=address,
        S3_ACCESS_KEY_ID="id",
        S3_SECRET_ACCESS_KEY="secret",
        QDRANT_URL=address,
        LOAD_TEST_URL=address,
        REPORTS_DIR=volume_host.root / "reports",
    )
    return volume_host


@contextmanager
def waiting(silent: socket.socket, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that has asked the silent server something."""
    with subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            connection, _ = silent.accept()
            with connection:
                yield process
        finally:
            process.kill()


def running_below(root: Path) -> list[str]:
    """Processes that have the directory in their environment, as every child of a command has."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(root).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text(encoding="utf-8"))
    return found


def told_to_people(errors: str) -> list[str]:
    """Without the log, which is JSON where standard error is no terminal."""
    return [line for line in errors.splitlines() if not line.startswith("{")]


@pytest.mark.parametrize("words", LONG.values(), ids=LONG)
def test_ctrl_c_is_one_line_and_130(
    host: HostUnderTest, silent: socket.socket, words: tuple[str, ...]
) -> None:
    before = sorted(path.name for path in host.backups.glob("sets/*"))

    with waiting(silent, *words) as process:
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)

    assert (process.returncode, output) == (130, "")
    assert told_to_people(errors)[-1] == "interrupted by SIGINT; nothing half-written is listed"
    assert "Traceback" not in errors
    assert not running_below(host.root)
    assert sorted(path.name for path in host.backups.glob("sets/*")) == before
    with ExclusiveLock(host.settings.state_dir, "the next one"):
        pass


@pytest.mark.usefixtures("hangups_end")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_it_as_well_and_the_trail_says_so(
    host: HostUnderTest, silent: socket.socket, number: signal.Signals
) -> None:
    with waiting(silent, *LONG["drill"], "--json") as process:
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    assert json.loads(output)["error"]["code"] == "interrupted"
    assert len(told_to_people(errors)) == 1
    end = list(Trail.of(host.settings).records())[-1]
    assert end.result
    assert end.result.verdict == "interrupted"


def test_a_closed_terminal_does_not_end_what_nohup_started(
    host: HostUnderTest, silent: socket.socket
) -> None:
    ignoring = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with waiting(silent, *LONG["verify"]) as process:
            process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1)
    finally:
        signal.signal(signal.SIGHUP, ignoring)


def test_a_rehearsal_leaves_no_server_behind() -> None:
    with TemporaryDirectory(dir="/tmp", prefix="onyx-interrupted-") as root:
        Path(root).chmod(0o755)
        with subprocess.Popen(
            [sys.executable, "-m", "onyx_pipelines.sandbox.rehearsal", "--size", "0.05"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=root,
            env={**os.environ, "THIS_TEST": root},
        ) as process:
            assert process.stdout
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)

        assert process.returncode == 130
        assert told_to_people(errors) == ["interrupted by SIGINT; nothing half-written is listed"]
        assert not running_below(Path(root))
        assert list(Path(root).iterdir()) == []


def test_ctrl_c_while_the_commands_are_loaded() -> None:
    """The entry point itself has loaded little."""
    script = (
        "import os, signal, sys\n"
        "from onyx_pipelines.cli import main\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'onyx_pipelines.cli.app':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "main()\n"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", script], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, len(done.stderr.splitlines())) == (130, 1)
