"""`make ui`: Dagster's web server and daemon on the sandbox, until Ctrl-C.

Three processes and one code server, as a deployment would run them.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx

from onyx_pipelines.cli.ending import as_process
from onyx_pipelines.cli.output import bold, out, red
from onyx_pipelines.sandbox.stack import Sandbox, default_state_dir

_HOST = "127.0.0.1"
_READY_TIMEOUT_S = 90.0


def main() -> int:
    """Exit status 0 after Ctrl-C, 1 if one of the processes ended by itself."""
    parser = argparse.ArgumentParser(prog="make ui", description=__doc__)
    parser.add_argument("--port", type=int, default=3000, help="of the web server")
    port = parser.parse_args().port
    sandbox = Sandbox(default_state_dir())
    sandbox.up(say=out.line)
    if not _is_free(port):
        out.line(
            f"Port {port} is taken. Try: .venv/bin/python -m onyx_pipelines.sandbox.ui --port 3001"
        )
        return 2
    environment = {**os.environ, **sandbox.environment()}
    with ExitStack() as stack:
        processes = _start(stack, environment, sandbox.state_dir, port)
        _wait_until_ready(port)
        out.line(bold(f"http://{_HOST}:{port}"), "  (Ctrl-C ends it, the sandbox stays up)")
        with suppress(KeyboardInterrupt):
            while all(process.poll() is None for process in processes):
                time.sleep(0.5)
            out.line(red("One of Dagster's processes ended."))
            return 1
    return 0


def _start(
    stack: ExitStack, environment: dict[str, str], state_dir: Path, port: int
) -> list[subprocess.Popen[bytes]]:
    code_port = _free_port()
    workspace = state_dir / "workspace.yaml"
    workspace.write_text(
        "load_from:\n  - grpc_server:\n"
        f"      host: {_HOST}\n      port: {code_port}\n      location_name: onyx_pipelines\n",
        encoding="utf-8",
    )
    bin_dir = Path(sys.executable).parent
    commands = {
        "code server": [
            str(bin_dir / "dagster"), "api", "grpc", "--module-name", "onyx_pipelines.definitions",
            "--host", _HOST, "--port", str(code_port),
        ],
        "daemon": [str(bin_dir / "dagster-daemon"), "run", "--workspace", str(workspace)],
        "webserver": [
            str(bin_dir / "dagster-webserver"), "--workspace", str(workspace),
            "--host", _HOST, "--port", str(port),
        ],
    }  # fmt: skip
    processes = []
    for name, command in commands.items():
        log = stack.enter_context((state_dir / f"{name.replace(' ', '_')}.log").open("ab"))
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stack.callback(_end, process)
        processes.append(process)
    return processes


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if httpx.get(f"http://{_HOST}:{port}/server_info", timeout=2).status_code == 200:
                return
        time.sleep(0.3)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) != 0


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    as_process(main)
