"""`make ui`: Dagster's web server and daemon on the sandbox, until Ctrl-C.

Three processes and one code server, as a deployment would run them.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from onyx_pipelines.host.background import BackgroundProcess
from onyx_pipelines.sandbox.ports import HOST, free_port, is_free
from onyx_pipelines.sandbox.service_process import answers
from onyx_pipelines.sandbox.stack import Sandbox, default_state_dir
from onyx_pipelines.terminal.ending import as_process
from onyx_pipelines.terminal.output import bold, out, red

_READY_TIMEOUT_S = 90.0


def main() -> int:
    """Exit status 0 after Ctrl-C, 1 if one of the processes ended by itself."""
    parser = argparse.ArgumentParser(prog="make ui", description=__doc__)
    parser.add_argument("--port", type=int, default=3000, help="of the web server")
    port = parser.parse_args().port
    sandbox = Sandbox(default_state_dir())
    sandbox.up(say=out.line)
    if not is_free(port):
        out.line(
            f"Port {port} is taken. Try: .venv/bin/python -m onyx_pipelines.sandbox.ui --port 3001"
        )
        return 2
    environment = sandbox.environment()
    with ExitStack() as stack:
        processes = _start(stack, environment, sandbox.state_dir, port)
        _wait_until_ready(port)
        out.line(bold(f"http://{HOST}:{port}"), "  (Ctrl-C ends it, the sandbox stays up)")
        with suppress(KeyboardInterrupt):  # that is its end
            while all(process.is_alive for process in processes):
                time.sleep(0.5)
            out.line(red("One of Dagster's processes ended."))
            return 1
    return 0


def _start(
    stack: ExitStack, environment: dict[str, str], state_dir: Path, port: int
) -> list[BackgroundProcess]:
    code_port = free_port()
    workspace = state_dir / "workspace.yaml"
    workspace.write_text(
        "load_from:\n  - grpc_server:\n"
        f"      host: {HOST}\n      port: {code_port}\n      location_name: onyx_pipelines\n",
        encoding="utf-8",
    )
    bin_dir = Path(sys.executable).parent
    commands = {
        "code_server": [
            str(bin_dir / "dagster"), "api", "grpc", "--module-name", "onyx_pipelines.definitions",
            "--host", HOST, "--port", str(code_port),
        ],
        "daemon": [str(bin_dir / "dagster-daemon"), "run", "--workspace", str(workspace)],
        "webserver": [
            str(bin_dir / "dagster-webserver"), "--workspace", str(workspace),
            "--host", HOST, "--port", str(port),
        ],
    }  # fmt: skip
    processes = []
    for name, command in commands.items():
        process = BackgroundProcess(state_dir, name)
        stack.callback(process.stop)
        process.spawn(command, environment)
        processes.append(process)
    return processes


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if answers(f"http://{HOST}:{port}/server_info"):
            return
        time.sleep(0.3)


if __name__ == "__main__":
    as_process(main)
