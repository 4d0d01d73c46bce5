"""The sandbox's S3 server: really there when started, found again, gone when stopped."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onyx_pipelines.core.errors import NotFoundError, OnyxError
from onyx_pipelines.sandbox import s3_server as module
from onyx_pipelines.sandbox.s3_server import S3Server, find_weed
from onyx_pipelines.vault.stores.s3 import S3Location, S3Store

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3")) as started:
        yield started


def store_of(server: S3Server) -> S3Store:
    return S3Store(
        S3Location(
            bucket=server.bucket,
            endpoint_url=server.endpoint_url,
            region=server.region,
            access_key_id=server.access_key_id,
            secret_access_key=server.secret_access_key,
        )
    )


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def unix_sockets(server: S3Server) -> list[Path]:
    options = Path(f"/proc/{server.pid}/cmdline").read_text().split("\0")
    grpc = re.findall(r"-(\w+)\.port\.grpc=(\d+)", " ".join(options))
    return [Path(f"/tmp/seaweedfs-{name}-grpc-{port}.sock") for name, port in grpc]


def listening_addresses(pid: int) -> set[str]:
    inodes = {str(f.readlink()) for f in Path(f"/proc/{pid}/fd").iterdir() if f.is_symlink()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes
    }


def test_it_listens_on_loopback_only(server: S3Server) -> None:
    assert server.pid is not None
    assert listening_addresses(server.pid) == {"0100007F"}
    assert not Path("/proc/net/tcp6").read_text().count(f":{server.port:04X} ")


def test_its_files_are_private(server: S3Server) -> None:
    folder = server.log_path.parent
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.json")}

    assert modes.keys() >= {"s3.json", "s3-identities.json"}
    assert set(modes.values()) == {0o600}


def test_its_credentials_are_not_in_its_command_line_or_environment(server: S3Server) -> None:
    visible = Path(f"/proc/{server.pid}/cmdline").read_bytes()
    visible += Path(f"/proc/{server.pid}/environ").read_bytes()

    assert server.secret_access_key.encode() not in visible


def test_starting_it_twice_is_one_server(server: S3Server) -> None:
    pid = server.pid

    again = S3Server(server.log_path.parent).start()

    assert again.pid == pid
    assert again.endpoint_url == server.endpoint_url


def test_its_memory_stays_small(server: S3Server) -> None:
    with store_of(server).create("large") as writer:
        for _ in range(100):
            writer.write(os.urandom(MIB))

    assert server.pid is not None
    assert resident_bytes(server.pid) < 400 * MIB


@pytest.mark.thorough
def test_another_process_stops_it_and_a_new_start_finds_the_objects(tmp_path: Path) -> None:
    first = S3Server(tmp_path, bucket="kept-bucket").start()
    store_of(first).put("a/b", b"still here")
    script = (
        "import sys; from pathlib import Path;"
        "from onyx_pipelines.sandbox.s3_server import S3Server;"
        "S3Server.attach(Path(sys.argv[1])).stop()"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    stopped = first.pid

    with S3Server(tmp_path, bucket="kept-bucket") as second:
        found = store_of(second).get("a/b")
        address = second.endpoint_url
        sockets = unix_sockets(second)
        there_while_it_ran = [path.exists() for path in sockets]
    first.stop()
    first.stop()

    assert stopped is None
    assert found == b"still here"
    assert address == first.endpoint_url
    assert there_while_it_ran == [True] * 4
    assert [path.exists() for path in sockets] == [False] * 4
    assert S3Server.attach(tmp_path).bucket == "kept-bucket"


def test_a_port_that_is_taken_is_an_error_with_the_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = S3Server(tmp_path, taken.getsockname()[1])
        with pytest.raises(OnyxError, match="address already in use"):
            server.start()

    assert server.pid is None


def test_a_server_that_ends_at_once_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "weed"
    broken.write_text("#!/bin/sh\necho out of order\nexit 3\n")
    broken.chmod(0o700)
    monkeypatch.setattr(module, "find_weed", lambda: broken)

    with pytest.raises(OnyxError, match="ended") as caught:
        S3Server(tmp_path / "state").start()

    assert "out of order" in caught.value.what


def test_a_recycled_process_number_is_not_the_server(tmp_path: Path) -> None:
    (tmp_path / "s3.pid").write_text(str(os.getpid()))

    assert S3Server(tmp_path).pid is None
    S3Server(tmp_path).stop()


def test_where_none_was_started_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="No S3 server"):
        S3Server.attach(tmp_path)


def test_seaweedfs_comes_from_the_wheel() -> None:
    answer = subprocess.run([find_weed(), "version"], capture_output=True, text=True, check=True)

    assert answer.stdout.startswith("version ")


def test_without_seaweedfs_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.files", lambda name: [])
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(OnyxError, match=r"pip install 'onyx-pipelines\[sandbox\]'"):
        find_weed()
