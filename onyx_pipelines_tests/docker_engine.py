"""A real Docker engine for the tests, one a session: `dockerd` with everything in the session's
directory, or the engine that DOCKER_TEST_HOST names.

Its image is made of busybox: there is no registry. A container without a network is enough, so the
engine touches neither bridges nor firewalls.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

from onyx_pipelines_tests.lifetime import (
    SESSION_VARIABLE,
    one_at_a_time,
    session_directory,
)
from onyx_pipelines_tests.requirements_of_tests import program, unavailable
from onyx_pipelines_tests.waiting import wait_until

IMAGE: Final = os.environ.get("DOCKER_TEST_IMAGE", "busybox:stable")
_APPLETS: Final = (
    "sh",
    "sleep",
    "cat",
    "ls",
    "touch",
    "chmod",
    "chown",
    "rm",
    "stat",
    "mkdir",
    "readlink",
)


def engine_host() -> str:
    """The address of the session's engine, which has `IMAGE` and whatever other tests made."""
    named = os.environ.get("DOCKER_TEST_HOST")
    if named:
        return named
    dockerd, busybox = program("dockerd"), program("busybox")
    if os.geteuid() != 0:
        unavailable("only root can start a Docker engine")
    host = f"unix://{_directory() / 'docker.sock'}"
    with one_at_a_time("docker"):
        if not _answers(host):
            _start(dockerd, host)
            wait_until(lambda: _answers(host), f"dockerd answers; see {_directory()}/log")
            _import_image(host, busybox)
    return host


def stop_engine() -> None:
    """With its containers. Fine if no test has wanted it."""
    with suppress(FileNotFoundError, ProcessLookupError):
        pid = int((_directory() / "pid").read_text(encoding="ascii"))
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the Docker engine ends")


def environment() -> list[str]:
    """For containers: by this, the session's guard finds those whose engine was killed."""
    return [f"{SESSION_VARIABLE}={session_directory()}"]


def _directory() -> Path:
    return session_directory() / "docker"


def _start(dockerd: str, host: str) -> None:
    folder = _directory()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    # In memory: an engine waits for the disk at each of its steps, and nothing here is to last.
    subprocess.run(["mount", "-t", "tmpfs", "none", folder / "data"], check=True)
    with (folder / "log").open("wb") as log:
        # Not our child: other workers use it after this one has ended.
        subprocess.run(
            ["setsid", "--fork", dockerd, "--host", host, "--pidfile", folder / "pid",
             "--data-root", folder / "data", "--exec-root", folder / "exec",
             # The session's guard finds the control groups of what it killed.
             "--exec-opt", "native.cgroupdriver=cgroupfs",
             "--cgroup-parent", f"/{session_directory().name}",
             "--iptables=false", "--ip6tables=false", "--bridge=none", "--shutdown-timeout=5"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
            # dockerd looks for containerd and runc there.
            env=os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
        )  # fmt: skip


def _answers(host: str) -> bool:
    # Not by httpx, which leaves the socket open when nobody listens.
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(host.removeprefix("unix://"))
        except OSError:
            return False
    with _client(host) as client:
        return client.get("/_ping").is_success


def _import_image(host: str, busybox: str) -> None:
    repository, _, tag = IMAGE.partition(":")
    with _client(host) as client:
        response = client.post(
            "/images/create",
            params={"fromSrc": "-", "repo": repository, "tag": tag},
            content=_root_file_system(Path(busybox).read_bytes()),
            timeout=120,
        )
    assert response.is_success, response.text


def _client(host: str) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=host.removeprefix("unix://"))
    return httpx.Client(base_url="http://docker", transport=transport)


def _root_file_system(busybox: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        shell = tarfile.TarInfo("bin/busybox")
        shell.size, shell.mode = len(busybox), 0o755
        tar.addfile(shell, io.BytesIO(busybox))
        for name in _APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()
